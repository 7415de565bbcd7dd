package source

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels/store"
)

// TestKilledBuildLeavesNothing: when the one who compiles is killed, his sandbox dies with him, and whoever comes next
// removes what he left and makes the tree.
func TestKilledBuildLeavesNothing(t *testing.T) {
	s, st := newSource(t)
	mark := filepath.Base(t.TempDir()) + "-" + strings.ReplaceAll(t.Name(), "/", "-")
	slow := with("scripts/before.sh", "[ -e /tmp/ccache/second ] && exit 0; touch /tmp/ccache/second running; sh -c 'sleep 100; : "+mark+"'")
	file := put(t, filepath.Join(t.TempDir(), "linux.tar"), tarOf(t, slow))
	child := exec.Command(os.Args[0], "-test.run=^TestHelperFetch$")
	child.Env = append(os.Environ(), "HELPER_STORE="+st.Dir(), "HELPER_TAR="+file)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	running := func() bool {
		there, _ := filepath.Glob(filepath.Join(st.Dir(), "trees/.tmp*/linux/running"))
		return len(there) > 0
	}
	if !soon(func() bool { return running() && anyProcess(mark) }) {
		t.Error("the build never began")
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if !soon(func() bool { return !anyProcess(mark) }) {
		t.Error("the killed build's processes live on")
	}
	if _, err := fetch(t, s, "tar:"+file); err != nil {
		t.Error(err)
	}
	noTemps(t, st)
}

func TestHelperFetch(t *testing.T) {
	dir := os.Getenv("HELPER_STORE")
	if dir == "" {
		t.Skip("only as a child of TestKilledBuildLeavesNothing")
	}
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fetch(t, New(st, hostRoot{}), "tar:"+os.Getenv("HELPER_TAR"))
}

// soon waits for a minute at most.
func soon(ok func() bool) bool {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return false
}

// anyProcess reports whether a process has mark in its command line.
func anyProcess(mark string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && strings.Contains(string(text), mark) {
			return true
		}
	}
	return false
}
