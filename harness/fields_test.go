package harness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
)

// dependency makes the folder of a package that the module builds upon.
func dependency(t *testing.T, content string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Kbuild"), "obj-m := core.o\n")
	write(t, filepath.Join(dir, "core.c"), content)
	return dir
}

// Verdicts that were reached with other packages beneath the module, or with another rule for what a kernel brings itself,
// are those of another run. Where the packages lie is no part of it.
func TestVerdictsOfOtherOptionsAreNotKept(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, *fixture)
		want   string
	}{
		"a package less":             {func(_ *testing.T, f *fixture) { f.spec.Depends = nil }, "--depends was "},
		"a package of other content": {func(t *testing.T, f *fixture) { write(t, filepath.Join(f.spec.Depends[0], "core.c"), "int b;\n") }, "--depends was "},
		"the same elsewhere":         {func(t *testing.T, f *fixture) { f.spec.Depends = []string{dependency(t, "int a;\n")} }, ""},
		"defer to the kernel's own":  {func(_ *testing.T, f *fixture) { f.spec.DeferInTree = true }, `--defer-in-tree was "false" and is "true"`},
	} {
		for _, flag := range []string{"--resume", "--new"} {
			t.Run(name+" "+flag, func(t *testing.T) {
				f := newFixture(t, "call pass\npoweroff\n")
				f.spec.BuildOnly, f.spec.Depends = true, []string{dependency(t, "int a;\n")}
				if _, err := f.run(t, t.Context()); err != nil {
					t.Fatal(err)
				}
				f.spec.Resume, f.spec.New = flag == "--resume", flag == "--new"
				c.change(t, f)
				p, err := f.Plan(t.Context(), f.spec)
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				_, err = f.Run(t.Context(), p)
				if c.want == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if _, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(err.Error(), flag+": the run that is there was another one: "+c.want) {
					t.Errorf("got %v, want %s", err, c.want)
				}
			})
		}
	}
}

// Two runs that were asked different questions have different digests.
func TestOtherQuestionsHaveOtherDigests(t *testing.T) {
	seen := map[string]string{}
	for name, s := range map[string]Spec{"nothing": {}, "a parameter": {Params: []string{"a=1"}}, "two": {Params: []string{"a=1", "b=2"}}, "one with a blank": {Params: []string{"a=1 b=2"}},
		"a focus": {Focus: "x"}, "isolation": {Isolate: IsolateNone}, "memory": {MemoryMiB: 512}, "processors": {CPUs: 2}} {
		digest := (&Plan{Spec: s}).Digest()
		if seen[digest] != "" {
			t.Errorf("%s and %s have one digest", name, seen[digest])
		}
		seen[digest] = name
	}
	open := []Unresolved{{Selector: "host"}}
	if (&Plan{Unresolved: open}).Digest() == (&Plan{Unresolved: open, required: map[string]bool{"host": true}}).Digest() {
		t.Error("that a kernel must not be missing is no part of the question")
	}
	if (&Plan{}).Digest() != (&Plan{Spec: Spec{MemoryMiB: 256, CPUs: 1, Count: 1, Isolate: IsolateSuite, Timeout: defaultTimeout}}).Digest() {
		t.Error("a default that is given is another question")
	}
}

// A journal of a release that judged in another way is refused by the line that refuses any other run.
func TestJournalOfAnEarlierJudgementIsRefused(t *testing.T) {
	f, _, journal := tornFixture(t)
	old := strings.ReplaceAll(string(journal), ", judgement "+judge.Version, ", judgement 2")
	if old == string(journal) {
		t.Fatal("the journal does not say how its cells were judged, or as 2")
	}
	if err := os.WriteFile(filepath.Join(f.spec.Out, results.JournalName), []byte(old), 0o644); err != nil {
		t.Fatal(err)
	}
	f.spec.Resume = true
	p, err := f.Plan(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Run(t.Context(), p)
	if _, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(err.Error(), `the run that is there was another one: modmatrix was ", judgement 2" and is ", judgement `+judge.Version) {
		t.Error(err)
	}
}

// Each field of Spec says what it decides, and decides that.
func TestEveryFieldOfSpecSaysWhatItDecides(t *testing.T) {
	key := func(s Spec) string { return fmt.Sprint(s.decided(classCell)) }
	facts := func(s Spec) string { return fmt.Sprint((&Plan{Spec: s}).decided()) }
	names := map[string]string{}
	for i := range reflect.TypeFor[Spec]().NumField() {
		f := reflect.TypeFor[Spec]().Field(i)
		r := readField(f)
		if names[r.name] != "" && r.name != "" {
			t.Errorf("%s and %s are both called %s", f.Name, names[r.name], r.name)
		}
		names[r.name] = f.Name
		var other Spec
		switch v := reflect.ValueOf(&other).Elem().Field(i); v.Kind() {
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Int, reflect.Int64:
			v.SetInt(int64(3 * time.Second))
		case reflect.String:
			v.SetString("x")
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		}
		guest := r.class == classCell
		all := slices.Contains([]class{classCell, classBuild, classRecord}, r.class)
		switch {
		case !all && r.class != classPlan && r.class != classRun:
			t.Errorf("%s: no such class: %q", f.Name, r.class)
		case all && r.name == "":
			t.Errorf("%s decides something and has no name", f.Name)
		case (key(other) != key(Spec{})) != guest, (facts(other) != facts(Spec{})) != all, ((&Plan{Spec: other}).Digest() != (&Plan{}).Digest()) != all:
			t.Errorf("%s is of class %s, and decides something else", f.Name, r.class)
		}
	}
}
