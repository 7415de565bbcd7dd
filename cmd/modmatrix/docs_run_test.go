package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/modmatrix/modmatrix/results/slowtest"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/modmatrix/modmatrix/kernels/prebuilt/kotest"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/evidence"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

// TestDocumentedCommands runs every command line that the documents show. Kernels, compiler and guests are fake;
// where the document shows what modmatrix prints of real ones, it must print just that of their stored results.
func TestDocumentedCommands(t *testing.T) {
	slowtest.Skip(t)
	ran, tried := 0, map[string]bool{} // several documents show the same
	for _, file := range documents(t) {
		for _, c := range commandsOf(t, file) {
			t.Run(c.where+"/"+c.line, func(t *testing.T) {
				for _, words := range wordsOf(t, c.line) {
					ran++
					key := fmt.Sprintf("%q %q %q", words, c.output, c.results)
					if !tried[key] {
						c.try(t, words)
					}
					tried[key] = true
				}
			})
		}
	}
	if ran < 50 {
		t.Errorf("only %d commands were found: has the form of the documents changed?", ran)
	}
}

// wordsOf are the simple commands of a line.
func wordsOf(t *testing.T, line string) (all [][]string) {
	t.Helper()
	file, err := syntax.NewParser().Parse(strings.NewReader(line), "")
	if err != nil {
		t.Fatal(err)
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok {
			return true
		}
		var words []string
		for _, w := range call.Args {
			word, err := expand.Literal(nil, w)
			if err != nil {
				t.Fatal(err)
			}
			words = append(words, word)
		}
		all = append(all, words)
		return true
	})
	return all
}

func (c shown) try(t *testing.T, words []string) {
	switch words[0] {
	case "modmatrix":
		c.run(t, words[1:])
	case "make":
		c.make(t, words[1:])
	case "go":
		c.goTool(t, words)
	case "cd", "head":
	default:
		t.Errorf("%s: no test knows what to do with %s", c.line, words[0])
	}
}

// goTool holds that the package is there, and the test that is run.
func (c shown) goTool(t *testing.T, words []string) {
	dir := words[slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "./") })]
	files, err := filepath.Glob(filepath.Join(repository, dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no package in %s", c.line, dir)
	}
	if i := slices.Index(words, "-run"); i > 0 {
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), "\nfunc "+words[i+1]+"(") {
				return
			}
		}
		t.Errorf("%s: there is no %s in %s", c.line, words[i+1], dir)
	}
}

// make holds that the target is there, and that its output is that of the results.
func (c shown) make(t *testing.T, words []string) {
	if slices.Contains(words, "-C") { // another folder's
		return
	}
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range words {
		if !strings.Contains(word, "=") && !regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(word)+`:`).Match(makefile) {
			t.Errorf("%s: there is no target %s", c.line, word)
		}
	}
	if c.results != "" && c.output != "" {
		c.run(t, []string{"report", "text", "results.json"})
	}
}

// run runs modmatrix in a folder that holds a module and results.
func (c shown) run(t *testing.T, args []string) {
	if args[0] == "watch" { // which does not end by itself; see watch_runs_again_on_every_save.txtar
		if err := watchCommand(&app{}).ParseFlags(args[1:]); err != nil {
			t.Errorf("%s: %v", c.line, err)
		}
		return
	}
	dir := t.TempDir()
	module := filepath.Join(dir, "mydriver")
	if err := os.CopyFS(module, os.DirFS("testdata/docs/mydriver")); err != nil {
		t.Fatal(err)
	}
	folders := []string{".", "modmatrix-out", "out"}
	if args[0] == "run" && c.output == "" { // which makes its own
		folders = nil
	}
	for _, folder := range folders {
		path := filepath.Join(module, folder, results.FileName)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, documented(t, c.results), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if args[0] == "init" { // which overwrites nothing
		if err := errors.Join(os.Remove(filepath.Join(module, "modmatrix.toml")), os.RemoveAll(filepath.Join(module, "suites"))); err != nil {
			t.Fatal(err)
		}
	}
	if args[0] == "run" && c.output != "" { // what it shows is that of real kernels, which are stored
		args = []string{"report", "text"}
	}
	if args[0] == "package" && args[1] != "tar" { // the others are made by tools of a real root
		args[1] = "tar"
	}
	if args[0] == "bisect" {
		if err := os.WriteFile(filepath.Join(module, "compiler"), []byte("fails 6.12 a.c:7: implicit declaration"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if i := slices.Index(args, "--prebuilt"); i > 0 {
		ko := kotest.Module{Name: "mydriver", Vermagic: "6.1.192-amd64 SMP "}.Bytes()
		if err := os.WriteFile(filepath.Join(module, args[i+1]), ko, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, before := range prepared(args) {
		faked(t, dir, before)
	}
	if args[0] == "collect" || args[0] == "reply" {
		sent(t, filepath.Join(module, "inbox"))
	}
	if i := slices.Index(args, "--sign"); i > 0 {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(module, args[i+1])).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v, %s", err, out)
		}
	}
	if args[0] == "run" && !slices.Contains(args, "--sign") && !slices.Contains(args, "--resume") && !slices.Contains(args, "--new") { // plan takes the same, see TestTheFlagsOfRunFitTheOtherVerbs
		args[0] = "plan"
	}
	out, code := faked(t, dir, args)
	want := 0
	if slices.Contains([]string{"report", "merge", "collect", "reply"}, args[0]) {
		res, err := results.Read(filepath.Join(module, results.FileName))
		if err != nil {
			t.Fatal(err)
		}
		want = res.ExitCode()
	}
	if args[0] == "doctor" { // which may miss something here
		want = code
	}
	if code != want {
		t.Fatalf("%s: exit code %d, not %d", c.line, code, want)
	}
	if c.output != "" {
		c.compare(t, out)
	}
}

// sent leaves in a folder what a tester may have sent.
func sent(t *testing.T, inbox string) {
	t.Helper()
	res, err := results.Decode(bytes.NewReader(documented(t, "")))
	if err != nil {
		t.Fatal(err)
	}
	res.Module.SourceDigest = "sha256:" + strings.Repeat("0", 64)
	draft, err := evidence.Prepare(res, fstest.MapFS{}, results.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(inbox, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := draft.Write(t.Context(), filepath.Join(inbox, "mydriver"+evidenceSuffix), "text", nil, evidence.Tester{}); err != nil {
		t.Fatal(err)
	}
}

// prepared are the commands that the reader of a document has run before.
func prepared(args []string) (before [][]string) {
	if slices.Contains(args, "--locked") {
		before = append(before, []string{"kernels", "update"})
	}
	if args[0] == "verify" {
		before = append(before, []string{"run", "--evidence", "-k", "debian:bookworm", "-o", "out"})
	}
	if slices.Contains(args, "mydriver.bundle.tar.zst") && args[0] != "bundle" {
		before = append(before, []string{"bundle"})
	}
	if i := slices.Index(args, "--resume"); i >= 0 {
		before = append(before, slices.Delete(slices.Clone(args), i, i+1))
	}
	return before
}

// faked runs modmatrix over fake kernels in the module's folder below dir.
func faked(t *testing.T, dir string, args []string) (stdout string, code int) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	guest := filepath.Join(dir, "guest")
	script := "call pass\npoweroff\n"
	if args[0] == "shell" {
		script = "call shell\npoweroff\n"
	}
	if err := os.WriteFile(guest, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "modmatrix-faked", args...)
	cmd.Dir, cmd.Stdin = filepath.Join(dir, "mydriver"), strings.NewReader("exit\n")
	cmd.Env = append(os.Environ(), "MODMATRIX_CACHE="+filepath.Join(dir, "cache"), "XDG_STATE_HOME="+filepath.Join(dir, "state"), "MODMATRIX_QEMU_USER=0", fakeLinux+"="+absolute(t, "testdata/linux"), vmtest.ScriptEnv+"="+guest)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Logf("modmatrix %q: %s", args, exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// took is the time of a whole run, which is another one in every run.
var took = regexp.MustCompile(`(?m)^(\d+ kernels? pass.*) · [^·\n]+$`)

// compare holds what is shown against what is printed; a line of … stands for any lines.
func (c shown) compare(t *testing.T, printed string) {
	printed, c.output = took.ReplaceAllString(printed, "$1"), took.ReplaceAllString(c.output, "$1")
	var pattern strings.Builder
	for line := range strings.Lines(c.output) {
		if strings.TrimSpace(line) == "…" {
			pattern.WriteString(`(?s:.*?)`)
		} else {
			pattern.WriteString(regexp.QuoteMeta(line))
		}
	}
	if !regexp.MustCompile(`^` + pattern.String() + `\s*$`).MatchString(printed) {
		t.Errorf("%s: %s shows\n%s\nand it prints\n%s", c.line, c.where, c.output, printed)
	}
}

// documented are the stored results of that name.
func documented(t *testing.T, name string) []byte {
	t.Helper()
	if name == "" {
		name = "any"
	}
	data, err := os.ReadFile(filepath.Join("testdata/docs", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
