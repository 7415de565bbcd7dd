package main

import (
	"cmp"
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/modmatrix/modmatrix/initramfs"
)

// TestRealDay is what modmatrix is for, from the first bundle to the letter: an author, three testers, a bug on one kernel. Author and
// testers have homes and keys of their own; testers have neither Go nor a compiler nor any source.
func TestRealDay(t *testing.T) {
	if os.Getenv("MODMATRIX_REAL") == "" {
		t.Skip("set MODMATRIX_REAL=1: it boots real kernels")
	}
	cache := os.Getenv("MODMATRIX_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(user, "modmatrix")
	}
	driver, err := filepath.Abs(filepath.Join(repository, "suites/example/driver"))
	if err != nil {
		t.Fatal(err)
	}
	// By default two that other tests need, too.
	kernels := strings.Fields(cmp.Or(os.Getenv("MODMATRIX_TEST_DAY"), "debian:bookworm/cloud-amd64 debian:trixie/cloud-amd64 debian:bookworm/cloud-amd64"))
	var carols *debian // a machine of her own, whose kernel she uses
	if os.Getenv("MODMATRIX_TEST_HERE") != "" {
		carols = installDebian(t)
	}
	has := func(condition string) (bool, error) { return condition == "here" && carols != nil, nil }
	here := func(ts *testscript.TestScript, _ bool, args []string) { carols.tester(t, ts, args) }
	testscript.Run(t, testscript.Params{Dir: "testdata/day", RequireExplicitExec: true, Condition: has, Setup: func(env *testscript.Env) error {
		env.Setenv("MODMATRIX_CACHE", cache)
		for i, name := range []string{"ALICE", "BOB", "CAROL"} {
			env.Setenv(name, kernels[i])
		}
		env.Setenv("SUITE", filepath.Join(driver, "suites/fifo"))
		for _, name := range []string{"GOMODCACHE", "GOCACHE"} {
			env.Setenv(name, goEnv(name))
		}
		env.Setenv("TESTERS", filepath.Join(env.WorkDir, "programs"))
		env.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
		own, err := exec.LookPath("modmatrix") // beside which lies a QEMU that boots nothing
		if err != nil {
			return err
		}
		path := strings.ReplaceAll(env.Getenv("PATH"), filepath.Dir(own)+string(filepath.ListSeparator), "")
		env.Setenv("PATH", filepath.Join(env.WorkDir, "bin")+string(filepath.ListSeparator)+path)
		// Root's QEMU runs as nobody, who has to get at it.
		return errors.Join(os.Chmod(filepath.Dir(env.WorkDir), 0o711), programs(filepath.Join(env.WorkDir, "bin"), own, ""), programs(filepath.Join(env.WorkDir, "programs"), own, path),
			sources(driver, filepath.Join(env.WorkDir, "author/fifo")))
	}, Cmds: map[string]func(*testscript.TestScript, bool, []string){"exec-code": execCode, "tester": tester, "tester-here": here}})
}

// tester has the system run a bundle with -k here, for somebody with a home of that name: tester-here NAME CODE BUNDLE.
func (d *debian) tester(t *testing.T, ts *testscript.TestScript, args []string) {
	home := filepath.Join(ts.Getenv("WORK"), args[0])
	ts.Check(ts.Chdir(home))
	disk := filepath.Join(d.dir, "disk")
	shell(t, "sh", "-c", `e2fsck -fp "$1" || [ $? = 1 ]`, "sh", disk) // 1: it was switched off with its journal full, and is clean now
	for to, from := range map[string]string{"bundle.tar.zst": args[2], "key": "key"} {
		shell(t, "debugfs", "-w", "-R", "rm /root/"+to, disk)
		shell(t, "debugfs", "-w", "-R", "write "+ts.MkAbs(from)+" /root/"+to, disk)
	}
	d.step(t, "tester", "")
	_, said, _ := strings.Cut(strings.ReplaceAll(d.said, "\r", ""), "== tester exit ")
	code, said, _ := strings.Cut(said, "\n")
	_, sent, _ := strings.Cut(said, "\n-- tester\n")
	sent, _, _ = strings.Cut(sent, "== done")
	file, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(sent), ""))
	if code != args[1] || err != nil || len(file) == 0 {
		ts.Fatalf("exit code %s, want %s; evidence: %v", code, args[1], err)
	}
	ts.Check(errors.Join(os.MkdirAll(ts.MkAbs("modmatrix-out"), 0o755), os.WriteFile(ts.MkAbs("modmatrix-out/fifo.evidence.tar.zst"), file, 0o644)))
}

// tester is exec-code of modmatrix by somebody with a home of that name: tester NAME CODE ARG…
func tester(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: tester NAME CODE ARG…")
	}
	home := ts.MkAbs(filepath.Join(ts.Getenv("WORK"), args[0]))
	ts.Check(ts.Chdir(home))
	command := []string{args[1], "env", "-i", "HOME=" + home, "USER=" + args[0], "LANG=C.UTF-8", "PATH=" + ts.Getenv("TESTERS"),
		"MODMATRIX_CACHE=" + ts.Getenv("MODMATRIX_CACHE"), initramfs.EnvSource + "=/nowhere", "modmatrix"}
	execCode(ts, false, append(command, args[2:]...))
}

// programs makes a folder of modmatrix and of all that is on path, but for what a tester need not have.
func programs(dir, own, path string) error {
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Symlink(own, filepath.Join(dir, "modmatrix"))); err != nil {
		return err
	}
	without := []string{"go", "gofmt", "git", "gcc", "cc", "make", "ld"}
	for _, folder := range filepath.SplitList(path) {
		entries, _ := os.ReadDir(folder) // not every one is there
		for _, e := range entries {
			if slices.Contains(without, e.Name()) {
				continue
			}
			if err := os.Symlink(filepath.Join(folder, e.Name()), filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
		}
	}
	return nil
}

// sources copies the driver without its suites, as its author has it before the day.
func sources(driver, to string) error {
	for _, name := range []string{"Kbuild", "Makefile", "fifo.c"} {
		text, err := os.ReadFile(filepath.Join(driver, name))
		if err := errors.Join(err, os.MkdirAll(to, 0o755), os.WriteFile(filepath.Join(to, name), text, 0o644)); err != nil {
			return err
		}
	}
	return nil
}
