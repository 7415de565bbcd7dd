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
	k := &killer{bin: filepath.Join(t.TempDir(), "modmatrix"), mark: "MODMATRIX_TEST_MARK=" + rand.Text()}
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
		got, told := k.run(t, name, out, nil, "--resume")
		t.Logf("%s: after %v %s; %s", name, after.Round(time.Millisecond), how, told)
		if got != want {
			t.Errorf("%s: got\n%s\nwant\n%s\nbefore it was gone on with\n%s", name, got, want, first)
		}
		k.nothingLeft(t, name, out)
	}
}

// killer runs the command and finds its processes.
type killer struct{ bin, mark string }

// run runs the command in a copy of the example driver that no earlier round has built, calls disturb in the middle, and
// gives the lasting part of the matrix, or "" where there is none, and what was done and told.
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
		args = append(args, "-k", kernel)
	}
	cmd := exec.Command(k.bin, append(args, more...)...)
	cmd.Env = append(os.Environ(), k.mark)
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

func (k *killer) killQEMUs(int) string {
	n := 0
	for pid, name := range k.processes() {
		if strings.HasPrefix(name, "qemu-system") && syscall.Kill(pid, syscall.SIGKILL) == nil {
			n++
		}
	}
	return fmt.Sprintf("%d QEMUs were killed", n)
}

// processes are those that carry our mark, with their names.
func (k *killer) processes() map[int]string {
	found := map[int]string{}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if !slices.Contains(strings.Split(string(env), "\x00"), k.mark) {
			continue
		}
		name, _ := os.ReadFile(filepath.Join(dir, "comm"))
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			found[pid] = strings.TrimSpace(string(name))
		}
	}
	return found
}

// nothingLeft looks for processes, for work folders and half-made entries of the store that belong to nobody, and for
// files in the folder of results that no record names.
func (k *killer) nothingLeft(t *testing.T, round, out string) {
	t.Helper()
	for range 50 { // the dead are reaped in their own time
		if len(k.processes()) == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if left := k.processes(); len(left) > 0 {
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

// nobodyHolds tells whether the lock at path can be had.
func nobodyHolds(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return errors.Is(err, os.ErrNotExist) // then its folder is being removed right now, or nobody will
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil
}
