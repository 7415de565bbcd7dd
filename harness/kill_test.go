package harness_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
)

// TestKillSweep kills runs at twenty random points and goes on with them. It is long, so make real has TestRealResume.
func TestKillSweep(t *testing.T) { killSweep(t, 20) }

// TestRealResume is the sweep in two points: one run whose modmatrix is killed, one whose QEMUs are.
func TestRealResume(t *testing.T) { killSweep(t, 2) }

// killSweep runs the real command on real kernels, kills it, or every QEMU that it started, and goes on with --resume.
// Each time the matrix must be that of a run that nobody disturbed, and nothing may be left behind.
func killSweep(t *testing.T, points int) {
	needReal(t)
	k := &killer{bin: filepath.Join(t.TempDir(), "modmatrix"), mark: rand.Text()}
	// What outlives a killed modmatrix becomes a child of ours, and can be distinguished from what others run.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	if out, err := exec.Command("go", "build", "-o", k.bin, "../cmd/modmatrix").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want, _ := k.run(t, "first", t.TempDir(), nil) // fetches and freezes what is not there yet
	began := time.Now()
	if again, _ := k.run(t, "second", t.TempDir(), nil); again != want {
		t.Fatalf("undisturbed, it comes to\n%s\nand to\n%s", want, again)
	}
	whole := time.Since(began)
	seed := uint64(began.UnixNano())
	if text := os.Getenv("MODMATRIX_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("MODMATRIX_SEED=%d; undisturbed, it takes %v", seed, whole.Round(time.Millisecond))
	random := mathrand.New(mathrand.NewPCG(seed, 0))
	for n := range points {
		out := t.TempDir()
		after := time.Duration(random.Int64N(int64(whole)))
		deed := k.killModmatrix
		if n%2 == 1 {
			deed = k.killQEMUs
		}
		name := fmt.Sprintf("round %d", n)
		first, how := k.run(t, name, out, func(pid int) string { time.Sleep(after); return deed(pid) })
		got, said := k.run(t, name, out, nil, "--resume")
		t.Logf("%s: after %v %s; %s", name, after.Round(time.Millisecond), how, said)
		if got != want {
			t.Errorf("%s: got\n%s\nwant\n%s\nbefore it was gone on with\n%s", name, got, want, first)
		}
		k.nothingLeft(t, name, out)
	}
}

// killer runs the command, on sources that no other test has built: they carry its mark.
type killer struct{ bin, mark string }

// run runs the command in a copy of the example driver that no earlier round has built, calls disturb in the middle, and
// returns the lasting part of the matrix, or "" where there is none, and what was done and reported.
func (k *killer) run(t *testing.T, round, out string, disturb func(pid int) string, more ...string) (matrix, how string) {
	t.Helper()
	driver := filepath.Join(out, "driver") // the same for a run and its resumption
	if _, err := os.Stat(driver); err != nil {
		if err := os.CopyFS(driver, os.DirFS(exampleDriver)); err != nil {
			t.Fatal(err)
		}
		add(t, filepath.Join(driver, "fifo.c"), "/* "+round+" of "+k.mark+" */\n")
	}
	suite, err := filepath.Abs(exampleSuite)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"run", driver, "--no-cache", "-o", filepath.Join(out, "out"), "--suite", harness.Lifecycle, "--suite", suite}
	for _, kernel := range realKernels {
		args = append(args, "-k", kernel.String())
	}
	cmd := exec.Command(k.bin, append(args, more...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if disturb != nil {
		how = disturb(cmd.Process.Pid)
	}
	err = cmd.Wait()
	for line := range strings.Lines(stderr.String()) {
		if strings.Contains(line, "going on") || strings.Contains(line, "begins anew") || strings.Contains(line, "modmatrix: ") {
			how += strings.TrimSpace(line)
		}
	}
	res, readErr := results.Read(filepath.Join(out, "out", results.FileName))
	if disturb == nil && errors.Join(err, readErr) != nil {
		t.Fatalf("%s %v: %v, %v\n%s", round, more, err, readErr, stderr.String())
	}
	if readErr != nil {
		return "", how
	}
	return lastingMatrix(res), how
}

func add(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// lastingMatrix is what of a matrix does not depend on the clock.
func lastingMatrix(res *results.Results) string {
	var b strings.Builder
	for _, rec := range res.Records {
		fmt.Fprintf(&b, "%s %s %s %s %s:", rec.Target.Release, rec.Suite, rec.Status, rec.Stage, rec.Code)
		for _, s := range rec.Specs {
			fmt.Fprintf(&b, " %s %q", s.Status, s.Name)
		}
		fmt.Fprintf(&b, " of %s by %s\n", rec.Target.ConfigDigest, rec.Target.Compiler)
	}
	fmt.Fprintf(&b, "%s %s on %s with %s", res.Module.Name, res.Module.Version, res.Run.Host.Accelerator, res.Run.Host.QEMU)
	return b.String()
}

func (k *killer) killModmatrix(pid int) string {
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return "it was over: " + err.Error()
	}
	return "modmatrix was killed"
}

// killQEMUs kills those that run, and waits for one where none does yet.
func (k *killer) killQEMUs(pid int) string {
	n := 0
	for ; n == 0 && syscall.Kill(pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
		all := descendants()
		if _, alive := all[pid]; !alive {
			break
		}
		for pid, name := range all {
			if strings.HasPrefix(name, "qemu-system") && syscall.Kill(pid, syscall.SIGKILL) == nil {
				n++
			}
		}
	}
	return fmt.Sprintf("%d QEMUs were killed", n)
}

// descendants are the processes that come from this one, with their names, but for those that are dead and not yet
// reaped. Orphans are ours as well: see the subreaper in killSweep.
func descendants() map[int]string {
	parent, name := map[int]int{}, map[int]string{}
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range all {
		text, _ := os.ReadFile(path) // PID (NAME) STATE PPID …, see proc_pid_stat(5)
		open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
		if open < 0 || end < open {
			continue // it is gone
		}
		rest := strings.Fields(string(text[end+1:]))
		pid, err1 := strconv.Atoi(strings.TrimSpace(string(text[:open])))
		up, err2 := strconv.Atoi(rest[1])
		if errors.Join(err1, err2) == nil && rest[0] != "Z" {
			parent[pid], name[pid] = up, string(text[open+1:end])
		}
	}
	found := map[int]string{}
	for pid := range parent {
		for up := parent[pid]; up != 0; up = parent[up] {
			if up == os.Getpid() {
				found[pid] = name[pid]
				break
			}
		}
	}
	return found
}

// nothingLeft looks for processes, for work folders and half-made entries of the store that belong to nobody, and for
// files in the folder of results that no record names.
func (k *killer) nothingLeft(t *testing.T, round, out string) {
	t.Helper()
	for range 50 { // the dead are reaped in their own time
		if len(descendants()) == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if left := descendants(); len(left) > 0 {
		t.Errorf("%s: still running: %v", round, left)
	}
	h, err := harness.New(harness.Options{})
	if err != nil {
		t.Fatal(err)
	}
	folders, _ := filepath.Glob(filepath.Join(h.Store().Dir(), "work", "*"))
	for _, dir := range folders {
		if lock := filepath.Join(h.Store().Dir(), ".locks", "work."+filepath.Base(dir)); nobodyHolds(lock) {
			t.Errorf("%s: left behind: %s", round, dir)
		}
	}
	res, err := results.Read(filepath.Join(out, "out", results.FileName))
	if err != nil {
		t.Fatal(err)
	}
	known := []string{results.FileName, results.JournalName, "matrix.md"}
	for _, rec := range res.Records {
		known = append(known, rec.Files()...)
	}
	err = filepath.WalkDir(filepath.Join(out, "out"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(filepath.Join(out, "out"), path)
		if !slices.Contains(known, rel) {
			t.Errorf("%s: left behind: %s", round, path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// nobodyHolds reports whether the lock at path can be had.
func nobodyHolds(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return errors.Is(err, os.ErrNotExist) // then its folder is being removed right now, or nobody will
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil
}
