package harness

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/arch"
)

// The zoo is a folder of faulty modules with the verdict that each must get; see its README.
const zooDir = "../suites/zoo"

// zooWant is what a record must say.
type zooWant struct {
	Status results.Status `json:"status"`
	Stage  results.Stage  `json:"stage"`
	Code   results.Code   `json:"code"`
	Reason string         `json:"reason"` // regular expression; empty fits all
	Note   string         `json:"note"`   // regular expression that one of the notes must match; empty asks for none
	Skip   string         `json:"skip"`   // why nothing can be expected
}

// zooModule is an expect.json.
type zooModule struct {
	zooWant
	Needs     []string `json:"needs"`
	Otherwise *zooWant `json:"otherwise"`
	Versions  []zooRow `json:"versions"` // the first that fits holds for its kernels
	Suite     string   `json:"suite"`
	Params    []string `json:"params"`
	Make      []string `json:"make"`
	CPUs      int      `json:"cpus"`
	Memory    int      `json:"memory_mib"`
}

// zooRow is an expectation of some kernels.
type zooRow struct {
	From   string   `json:"from"`
	Before string   `json:"before"`
	Needs  []string `json:"needs"`
	Archs  []string `json:"archs"` // Debian's words, "32-bit" or "big-endian"; empty: any
	Why    string   `json:"why"`   // what is other about Archs
	zooWant
}

// fits reports whether the row holds for the kernel.
func (v zooRow) fits(tree *kernels.Tree) bool {
	a, _ := arch.OfMachine(tree.Target.Arch)
	is := func(word string) bool {
		return word == a.Debian || word == bits32 && a.Bits == 32 || word == bigEndian && a.BigEndian
	}
	return (v.From == "" || results.CompareVersions(tree.Target.Version, v.From) >= 0) &&
		(v.Before == "" || results.CompareVersions(tree.Target.Version, v.Before) < 0) && has(tree, v.Needs) &&
		(len(v.Archs) == 0 || slices.ContainsFunc(v.Archs, is))
}

const bits32, bigEndian = "32-bit", "big-endian"

// wants returns all expectations of the module.
func (a *zooModule) wants() []zooWant {
	all := []zooWant{a.zooWant}
	if a.Otherwise != nil {
		all = append(all, *a.Otherwise)
	}
	for _, v := range a.Versions {
		all = append(all, v.zooWant)
	}
	return all
}

// on is the expectation on a kernel.
func (a *zooModule) on(tree *kernels.Tree) zooWant {
	for _, v := range a.Versions {
		if v.fits(tree) {
			return v.zooWant
		}
	}
	if a.Otherwise != nil && !has(tree, a.Needs) {
		return *a.Otherwise
	}
	return a.zooWant
}

// has says whether the kernel has, of each line of needs, one of the symbols.
func has(tree *kernels.Tree, needs []string) bool {
	for _, need := range needs {
		if !slices.ContainsFunc(strings.Split(need, "|"), tree.Config.Enabled) {
			return false
		}
	}
	return true
}

// differs says how rec differs from the expectation; empty when it does not.
func (w zooWant) differs(rec results.Record) string {
	note := func(n string) bool { return regexp.MustCompile(w.Note).MatchString(n) }
	switch {
	case rec.Status != w.Status, rec.Stage != w.Stage, rec.Code != w.Code:
		return "want " + w.String()
	case !regexp.MustCompile(w.Reason).MatchString(rec.Reason):
		return fmt.Sprintf("want a reason like %q", w.Reason)
	case w.Note != "" && !slices.ContainsFunc(rec.Notes, note):
		return fmt.Sprintf("want a note like %q", w.Note)
	}
	return ""
}

func (w zooWant) String() string {
	if w.Skip != "" {
		return "skipped: " + w.Skip
	}
	return verdictText(w.Status, w.Stage, w.Code)
}

func verdictText(status results.Status, stage results.Stage, code results.Code) string {
	if status == results.Pass {
		return string(status)
	}
	return fmt.Sprintf("%s@%s %s", status, stage, code)
}

// zoo reads every module, by name.
func zoo(t *testing.T) map[string]*zooModule {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(zooDir, "*", "Kbuild"))
	modules := map[string]*zooModule{}
	for _, file := range files {
		dir := filepath.Dir(file)
		data, err := os.ReadFile(filepath.Join(dir, "expect.json"))
		if err != nil {
			t.Fatal(err)
		}
		a := &zooModule{}
		strict := json.NewDecoder(bytes.NewReader(data))
		strict.DisallowUnknownFields()
		if err := strict.Decode(a); err != nil {
			t.Errorf("%s: %v", filepath.Base(dir), err)
			continue
		}
		modules[filepath.Base(dir)] = a
	}
	if len(modules) == 0 {
		t.Fatal("the zoo is empty")
	}
	return modules
}

func TestZooFolders(t *testing.T) {
	for name, a := range zoo(t) {
		source, err := os.ReadFile(filepath.Join(zooDir, name, name+".c"))
		if err != nil || !regexp.MustCompile(`(?m)^/\* .+`).Match(source) {
			t.Errorf("%s: no %s.c with a comment that says what goes wrong (%v)", name, name, err)
		}
		if len(a.Needs) == 0 && a.Otherwise != nil {
			t.Errorf("%s: otherwise without needs", name)
		}
		for _, w := range a.wants() {
			if err := w.check(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, v := range a.Versions {
			if (len(v.Archs) > 0) != (v.Why != "") {
				t.Errorf("%s: a row for architectures says why they differ, and no other does", name)
			}
			for _, word := range v.Archs {
				if !slices.Contains(append(arch.Names(), bits32, bigEndian), word) {
					t.Errorf("%s: %q is no architecture", name, word)
				}
			}
		}
	}
}

// check requires known words and valid expressions.
func (w zooWant) check() error {
	for _, expr := range []string{w.Reason, w.Note} {
		if _, err := regexp.Compile(expr); err != nil {
			return err
		}
	}
	pass := w.Status == results.Pass && w.Stage == "" && w.Code == ""
	known := slices.Contains(results.Statuses, w.Status) && slices.Contains(results.Stages, w.Stage) && slices.Contains(results.Codes, w.Code)
	if skip := w.Skip != "" && w.Status == ""; !skip && !pass && !known {
		return fmt.Errorf("%q is no verdict", w)
	}
	return nil
}

// TestZoo runs every module on kernels of four generations. ZOO_ONLY is a regular expression that selects modules, ZOO_ARCH an
// architecture, and ZOO_KERNELS a list of selectors. How many run at once is go test's own -parallel.
func TestZoo(t *testing.T) {
	runZoo(t, cmp.Or(os.Getenv("ZOO_ONLY"), "."), "debian:bullseye", "debian:bookworm", "debian:trixie", "debian:trixie-backports")
}

// TestRealZoo runs the most useful in little time: a fault in each stage, residue, two that are fine, and a hang with interrupts off, which
// takes a minute, on one kernel. What a good module and a warning at its exit come to is shown by TestRealExampleDriver and TestRealMutations.
func TestRealZoo(t *testing.T) {
	const older, newer = "debian:bookworm/cloud-amd64", "debian:trixie/cloud-amd64"
	for only, selectors := range map[string][]string{
		"^(asks_for_module|harmless_words|null_timer|chrdev_left|init_fails)$": {older, newer},
		"^loop_irqs_off$": {newer},
	} {
		t.Run(strings.Trim(only, "^()$"), func(t *testing.T) {
			t.Parallel()
			runZoo(t, only, selectors...)
		})
	}
}

// runZoo runs the modules that match only, and shows their verdicts in one table.
func runZoo(t *testing.T, only string, selectors ...string) {
	if os.Getenv("MODMATRIX_REAL") == "" {
		t.Skip("boots real kernels: set MODMATRIX_REAL=1")
	}
	if own := strings.Fields(os.Getenv("ZOO_KERNELS")); len(own) > 0 {
		selectors = own
	}
	chosen, err := regexp.Compile(only)
	if err != nil {
		t.Fatal(err)
	}
	modules := zoo(t)
	k := newZooRun(t, selectors)
	for name, a := range modules {
		if chosen.MatchString(name) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				k.show(t, name, a)
			})
		}
	}
	t.Cleanup(func() { t.Log("\n" + k.table()) })
}
