package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/modmatrix/modmatrix/results/slowtest"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/config"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

// TestMain makes four commands of the test binary: modmatrix itself, modmatrix-faked, whose kernels and compiler are fake,
// modmatrix-released, whose kernels are, and which is a release, and modmatrix-installed, see there.
func TestMain(m *testing.M) {
	slowtest.OnMemory()
	with := func(fakes harness.Fakes) func() {
		return func() {
			os.Exit(run(Env{Args: os.Args[1:], Stdin: os.Stdin, Stdout: &output{file: os.Stdout}, Stderr: &output{file: os.Stderr}, fakes: fakes}))
		}
	}
	testscript.Main(starters{m}, map[string]func(){"modmatrix": main, "modmatrix-faked": with(fakes()), "modmatrix-released": with(released()), installedName: asInstalled})
}

// starters adds to the commands of scripts, which testscript has put on PATH, a QEMU that boots nothing.
type starters struct{ *testing.M }

func (p starters) Run() int {
	own, err := exec.LookPath("modmatrix")
	must(err)
	bin := filepath.Dir(own)
	plainPrograms(bin)
	must(vmtest.Build("testdata/qemu", filepath.Join(bin, "qemu-system-x86_64")))
	return p.M.Run()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// racedDir has the commands with the race detector, where the tests have it.
var racedDir string

// TestConcurrentScriptsAreThere holds that no script is raced in name only.
func TestConcurrentScriptsAreThere(t *testing.T) {
	for _, name := range concurrent {
		if _, err := os.Stat(filepath.Join("testdata", name+".txtar")); err != nil {
			t.Error(err)
		}
	}
}

func TestScripts(t *testing.T) {
	// Under nohup, programs would inherit that the end of the terminal is ignored; of what is caught here, they do not.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	slow := func(word string) (bool, error) {
		if word != "slow" {
			return false, fmt.Errorf("no condition %q", word)
		}
		return os.Getenv(slowtest.Env) != "", nil
	}
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true, Condition: slow, Setup: func(env *testscript.Env) error {
		if name := strings.TrimPrefix(filepath.Base(env.WorkDir), "script-"); slices.Contains(concurrent, name) {
			env.Setenv("PATH", racedDir+string(filepath.ListSeparator)+env.Getenv("PATH"))
		}
		env.Setenv("MODMATRIX_CACHE", env.WorkDir+"/cache")
		env.Setenv("XDG_STATE_HOME", env.WorkDir+"/state")
		env.Setenv("GOFLAGS", "-mod=readonly")
		env.Setenv(fakeLinux, absolute(t, "testdata/linux"))
		env.Setenv(vmtest.ScriptEnv, env.WorkDir+"/guest")
		env.Setenv("MODMATRIX_QEMU_USER", "0")
		for _, name := range []string{"GOMODCACHE", "GOCACHE"} {
			env.Setenv(name, goEnv(name))
		}
		return nil
	}, Cmds: map[string]func(*testscript.TestScript, bool, []string){"exec-code": execCode, "fill-store": fillStore, "ko": writeModule, "await": await}})
}

// A folder that whoever starts modmatrix has open is not open in what modmatrix starts. The control is a main without Seal.
func TestNothingIsInherited(t *testing.T) {
	dir := t.TempDir()
	bwrap := filepath.Join(dir, "bwrap")
	script := "#!/bin/sh\nfor f in /proc/self/fd/*; do if [ -e $f/secret ]; then read -r line <$f/secret; echo \"$line\" >$0.found; fi; done\n"
	for path, text := range map[string]string{bwrap: script, filepath.Join(dir, "secret"): "of the host\n"} {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	folder, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	for name, want := range map[string]string{"modmatrix": "", "modmatrix-faked": "of the host\n"} {
		os.Remove(bwrap + ".found")
		cmd := exec.Command("/proc/self/exe", "doctor")
		cmd.Args[0] = name
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "MODMATRIX_CACHE="+t.TempDir())
		cmd.ExtraFiles = []*os.File{6: folder} // 9: after what a sandbox is given
		out, _ := cmd.CombinedOutput()         // it finds fault with this bwrap
		if found, _ := os.ReadFile(bwrap + ".found"); string(found) != want || !strings.Contains(string(out), "sandbox") {
			t.Errorf("%s: found %q\n%s", name, found, out)
		}
	}
}

// A command line of run is one of plan and build too, for whoever only changes the verb.
func TestTheFlagsOfRunFitTheOtherVerbs(t *testing.T) {
	root := rootCommand(Env{Stdout: &output{file: os.Stdout}})
	for _, verb := range []string{"run", "plan", "build"} {
		cmd, _, err := root.Find([]string{verb})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"kernel", "suite", "focus", "param", "device", "timeout", "isolate", "output", "jobs", "json", "quiet", "verbose", "color"} {
			if cmd.Flag(name) == nil {
				t.Errorf("%s has no --%s", verb, name)
			}
		}
	}
}

// The command that runs a cell again has everything that was asked of its guest.
func TestAgainIsTheSameQuestion(t *testing.T) {
	cmd := runCommand(&app{})
	given := strings.Fields("--param debug=1 --device edu --depends ../core --isolate spec --count 3 --require-kvm --timeout 1m --defer-in-tree --plug kbd=usb-kbd " +
		"--offline -k debian:sid --suite fifo --focus x --jobs 3 --no-cache --resume -o out --locked")
	if err := cmd.ParseFlags(given); err != nil {
		t.Fatal(err)
	}
	how := asked(cmd, []string{"drv"}, harness.Spec{Focus: "x", Suites: []string{"lifecycle", "drv/suites/fifo"}})
	if how.Suites["fifo"] != "drv/suites/fifo" || len(how.Suites) != 1 || how.Focus != "x" {
		t.Errorf("suites: %v, focus %s", how.Suites, how.Focus)
	}
	got := strings.Join(how.Words, " ")
	if want := "run drv --depends ../core --offline --param debug=1 --device edu --plug kbd=usb-kbd --timeout 1m0s --isolate spec --count 3 --defer-in-tree --require-kvm"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	cmd = runCommand(&app{})
	if err := cmd.ParseFlags([]string{"--require-kvm=false", "--compare-in-tree", "--retries", "2"}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(asked(cmd, nil, harness.Spec{}).Words, " "); got != "run --retries 2 --compare-in-tree --require-kvm=false" {
		t.Errorf("got %s", got)
	}
}

// Each flag of run sets the field of Spec that names it, and no other; none is left out.
func TestFieldsOfSpecNameTheFlagsOfRun(t *testing.T) {
	var s specFlags
	cmd := &cobra.Command{}
	s.ofRun(cmd)
	s.earlierRun(cmd)
	s.evidenceOf(cmd)
	named := map[string]bool{}
	for _, flag := range harness.SpecFlags() {
		named[flag.Name] = true
		f := cmd.Flags().Lookup(flag.Name)
		if f == nil {
			t.Errorf("run has no --%s, which %s names", flag.Name, flag.Field)
			continue
		}
		s.Flags = config.Flags{}
		sample := map[string]string{"bool": "true", "int": "1", "duration": "1s", "string": "x", "stringArray": "x"}[f.Value.Type()]
		if err := f.Value.Set(sample); err != nil {
			t.Error(err)
		}
		for field, v := range reflect.ValueOf(s.Spec).Fields() {
			if field.Name == "Kernels" { // as text
				v = reflect.ValueOf(s.Kernels)
			}
			if v.IsZero() == (field.Name == flag.Field) {
				t.Errorf("--%s sets %s to %v", flag.Name, field.Name, v)
			}
		}
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !named[f.Name] && f.Name != "trust" { // which decides what of the file goes into a Spec
			t.Errorf("no field of Spec names --%s", f.Name)
		}
	})
	runCommand(&app{}).Flags().VisitAll(func(f *pflag.Flag) {
		if cmd.Flags().Lookup(f.Name) == nil {
			t.Errorf("run has --%s, which was not looked at", f.Name)
		}
	})
}

func TestEveryVerbHasAnExample(t *testing.T) {
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Short == "" || !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s lacks a description or an example of itself", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(rootCommand(Env{Stdout: &output{file: os.Stdout}, Stderr: &output{file: os.Stderr}}))
}

// No line of help is wider than the terminal, but for a word that is, and examples.
func TestHelpFitsTheTerminal(t *testing.T) {
	text := "Build does what run does,\nup to the build: it boots nothing.\n\nCodes:\n  oops   the kernel faulted, which is wider\n\nan-argument-of-one-word"
	want := "Build does what run\ndoes, up to the\nbuild: it boots\nnothing.\n\nCodes:\n  oops   the kernel faulted, which is wider\n\nan-argument-of-one-word"
	if got := reflowed(text, 20); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	root := rootCommand(Env{Stdout: &output{file: os.Stdout}})
	for _, cmd := range root.Commands() {
		for line := range strings.Lines(strings.ReplaceAll(cmd.UsageString(), cmd.Example, "")) {
			if n := utf8.RuneCountInString(line); n > helpWidth+1 {
				t.Errorf("%s: %d columns: %s", cmd.Name(), n, line)
			}
		}
	}
}

// execCode is exec that demands an exit code: exec-code CODE PROGRAM ARG…
func execCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exec-code CODE PROGRAM ARG…")
	}
	got := 0
	err := ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// fillStore puts an entry into the store of the script: fill-store KIND ID TITLE BYTES AGE
func fillStore(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 5 {
		ts.Fatalf("usage: fill-store KIND ID TITLE BYTES AGE")
	}
	size, err := strconv.Atoi(args[3])
	ts.Check(err)
	age, err := time.ParseDuration(args[4])
	ts.Check(err)
	st, err := store.Open(ts.Getenv("MODMATRIX_CACHE"))
	ts.Check(err)
	dir, _, err := st.Fill(context.Background(), args[0], args[1], func(dir string) error {
		return errors.Join(store.SetTitle(dir, args[2]),
			os.WriteFile(filepath.Join(dir, "content"), make([]byte, size), 0o644))
	})
	ts.Check(err)
	used := time.Now().Add(-age)
	ts.Check(os.Chtimes(filepath.Join(dir, ".manifest.json"), used, used))
}

// goEnv asks go for one of its settings, for scripts whose HOME is another.
func goEnv(name string) string {
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
