package calm

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv("CALM_SHOW") != "" {
		show()
		return
	}
	os.Exit(m.Run())
}

// show prints how many threads of this process are calm, and whether that which began it is.
func show() {
	list, _ := os.ReadDir("/proc/self/task")
	calm, main := 0, false
	for _, e := range list {
		text, _ := os.ReadFile("/proc/" + e.Name() + "/timerslack_ns")
		if strings.TrimSpace(string(text)) == slack {
			calm++
			main = main || e.Name() == strconv.Itoa(os.Getpid())
		}
	}
	os.Stdout.WriteString(strconv.Itoa(calm) + " " + strconv.FormatBool(main))
}

// TestOneThreadBecomesCalm holds both ways: where the environment asks for it, one thread and not the first; else none.
func TestOneThreadBecomesCalm(t *testing.T) {
	if _, err := os.Stat("/proc/self/timerslack_ns"); err != nil {
		t.Skip("this kernel has no timerslack_ns:", err)
	}
	for env, want := range map[string]string{Env + "=1": "1 false", "": "0 false"} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "CALM_SHOW=1", env)
		out, err := cmd.Output()
		if err != nil || string(out) != want {
			t.Errorf("with %q: %q %v, want %q", env, out, err, want)
		}
	}
}

func TestSysmonIsTheSecondThread(t *testing.T) {
	for name, c := range map[string]struct {
		tids []string
		want int
	}{
		"none yet":          {[]string{"71"}, 0},
		"second by number":  {[]string{"100", "99", "101"}, 100},
		"what is no thread": {[]string{"7", "x", "9"}, 9},
		"nothing":           {nil, 0},
	} {
		dir := t.TempDir()
		for _, tid := range c.tids {
			if err := os.Mkdir(filepath.Join(dir, tid), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if got := sysmon(dir); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if got := sysmon("/nonexistent"); got != 0 {
		t.Errorf("without /proc: %d", got)
	}
}
