package harness_test

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/modmatrix/modmatrix/"

// room is a row of the table below. A package may import whatever stands on a floor below its own.
type room struct {
	path   string
	floor  int
	reason string
	beside string // what it may import of its own floor as well
	only   string // nothing of this project but these; "nothing" stands for none
	starts string // why it starts processes on the host; empty: it does not
}

// house has a row for each package.
var house = []room{
	{path: "results", floor: 0, reason: "the words that everybody shares, readable with no kernel in sight", beside: "results/arch", only: "results/arch"},
	{path: "results/arch", floor: 0, reason: "a row for each architecture, words alone", only: "nothing"},
	{path: "results/report", floor: 0, reason: "every writer, and nothing but writing", beside: "results results/arch", only: "results results/arch"},
	{path: "results/evidence", floor: 0, reason: "what people hand each other; reads strangers' files, so it starts nothing", beside: "results", only: "results"},
	{path: "results/wire", floor: 0, reason: "what host and guest say to each other: linked by both, so it must stay small", only: "nothing"},
	{path: "results/wire/calm", floor: 0, reason: "a flag of Go's runtime, for programs that run in a guest", only: "nothing"},

	{path: "kernels", floor: 1, reason: "selectors, targets, trees; obtains and builds against kernels, and never boots one", beside: "kernels/kconfig",
		starts: "the tools of its sources, through Tools: git, tar, make, apt"},
	{path: "kernels/store", floor: 1, reason: "keeps folders; knows nothing of kernels", only: "nothing", starts: "unshare, to remove a root"},
	{path: "kernels/kconfig", floor: 1, reason: "reads a .config, whoever's it is", only: "nothing"},
	{path: "kernels/debian", floor: 1, reason: "one kind of source", beside: "kernels kernels/kconfig kernels/store", starts: "apt, mmdebstrap and dpkg-deb"},
	{path: "kernels/git", floor: 1, reason: "reads strangers' repositories: nobody else starts git", beside: "kernels", only: "kernels", starts: "git"},
	{path: "kernels/source", floor: 1, reason: "one kind of source", beside: "kernels kernels/git kernels/kconfig kernels/sandbox kernels/store"},
	{path: "kernels/dir", floor: 1, reason: "one kind of source", beside: "kernels kernels/kconfig kernels/store", starts: "a compiler, for its version; depmod"},
	{path: "kernels/host", floor: 1, reason: "one kind of source: an installed kernel is a directory that dir can read", beside: "kernels kernels/dir kernels/store"},
	{path: "kernels/sandbox", floor: 1, reason: "the one place that obeys a stranger's file, whatever is in it: a build, a kernel's source, a suite", beside: "kernels",
		starts: "bwrap, with the stranger's command in it"},
	{path: "kernels/kbuild", floor: 1, reason: "builds a module against a tree", beside: "kernels kernels/kconfig kernels/sandbox", starts: "bwrap without a sandbox, to measure what one costs"},
	{path: "kernels/dkms", floor: 1, reason: "a package is a way to say how kbuild is to build it", beside: "kernels kernels/git kernels/kbuild", starts: "dpkg-deb, to unpack a package"},
	{path: "kernels/packaging", floor: 1, reason: "packages of a module's source, made and installed in the sandbox by the tools of a root", beside: "kernels kernels/dkms kernels/kbuild kernels/sandbox"},
	{path: "kernels/api", floor: 1, reason: "what a tree's headers declare; unpacks them as kbuild does", beside: "kernels kernels/kbuild"},
	{path: "kernels/checks", floor: 1, reason: "the static checks: what the kernel's scripts and its tools say of a source; all of it in the sandbox", beside: "kernels kernels/kbuild"},
	{path: "kernels/prebuilt", floor: 1, reason: "modules that somebody else built, and what a kernel will make of them", beside: "kernels kernels/kbuild"},
	{path: "results/slowtest", floor: 0, reason: "for tests alone: which of them are slow", only: "nothing"},
	{path: "kernels/prebuilt/kotest", floor: 1, reason: "modules for tests, which have no code", only: "nothing"},
	{path: "kernels/mainline", floor: 1, reason: "the in-tree shape of a module, and its patches; the kernel's scripts and unifdef run in the sandbox", beside: "kernels kernels/checks kernels/kbuild kernels/sandbox"},
	{path: "kernels/field", floor: 1, reason: "tests alone: what authors really have, and its right verdicts, against the program as its users start it", only: "results"},
	{path: "initramfs", floor: 1, reason: "packs the guest; never learns what it is for. Suites are strangers' Go code, so go runs in the sandbox", beside: "kernels kernels/sandbox", starts: "go, which compiles the guest's programs and the suites"},
	{path: "initramfs/guest", floor: 1, reason: "runs in the guest as PID 1, and on the machine itself as the helper of -k here", beside: "suites/procfs", only: "results/arch results/wire results/wire/calm suites/procfs"},
	{path: "vm", floor: 1, reason: "runs a machine; never learns what is in it", only: "results/arch", starts: "QEMU"},
	{path: "vm/here", floor: 1, reason: "this machine in the place of one: starts what loads modules into its kernel, and reads what that kernel kept of its log", beside: "vm", only: "vm",
		starts: "this program as root, by sudo or pkexec where need be"},
	{path: "vm/console", floor: 1, reason: "reads a kernel log: text in, splats out", only: "results results/wire"},
	{path: "vm/hostdevice", floor: 1, reason: "looks for devices of this machine and gives them back; never learns what a guest is", only: "nothing"},
	{path: "vm/vmtest", floor: 1, reason: "a QEMU for tests, which boots nothing", only: "results/arch", starts: "go, which compiles that QEMU"},
	{path: "suites", floor: 1, reason: "is imported by strangers and runs in the guest: it must stay light", beside: "suites/procfs", only: "results/wire results/wire/calm suites/procfs"},
	{path: "suites/procfs", floor: 1, reason: "files under /proc, for suites", only: "nothing"},
	{path: "suites/lifecycle", floor: 1, reason: "the built-in suite, written as anybody's", only: "suites suites/procfs results/wire"},
	{path: "suites/zoo/quiet", floor: 1, reason: "a suite that leaves the module alone", only: "suites"},
	{path: "suites/example/driver/suites/fifo", floor: 1, reason: "a suite as a stranger writes it", only: "suites"},

	{path: "harness/judge", floor: 2, reason: "evidence in, record out: pure, so that a verdict can be repeated from what was written down", only: "results results/wire vm/console"},
	{path: "harness/claims", floor: 2, reason: "what a source says of kernel versions, against records, whoever made them", only: "results results/arch"},
	{path: "harness", floor: 2, reason: "the only place that knows the whole story", beside: "harness/claims harness/judge"},
	{path: "harness/explain", floor: 2, reason: "a client of runs: reads what they left, in sources that harness opened", beside: "harness"},
	{path: "harness/bisect", floor: 2, reason: "a client of runs: each test is one; what changed in the headers is what explain compares", beside: "harness harness/explain"},

	{path: "harness/rehearse", floor: 2, reason: "a client of the harness: asks it for the module and the kernel's source; what a shape is, kernels/mainline knows", beside: "harness"},
	{path: "harness/watch", floor: 2, reason: "a client of runs: one for each save; what is a change, kernels/kbuild knows", beside: "harness",
		starts: "what the user typed: --exec by the user's shell, and the pager"},
	{path: "harness/config", floor: 2, reason: "modmatrix.toml, modmatrix.lock and flags, merged to a Spec", beside: "harness"},

	{path: "cmd/modmatrix", floor: 3, reason: "flags in, one call, one view"},
	{path: "cmd/modmatrix-bench", floor: 3, reason: "measures what the rooms below export", beside: "cmd/modmatrix-bench/agreement cmd/modmatrix-bench/measure",
		starts: "go, modmatrix as a user starts it, and virtme-ng to compare with"},
	{path: "cmd/modmatrix-bench/agreement", floor: 3, reason: "asks Debian's dkms the same questions, and compares", beside: "cmd/modmatrix-bench/measure"},
	{path: "cmd/modmatrix-bench/measure", floor: 3, reason: "samples, the machine they were taken on, and where they are saved", only: "vm"},
	{path: "cmd/modmatrix-carry", floor: 3, reason: "has the rooms below make what a release brings along"},
	{path: "cmd/modmatrix-init", floor: 3, reason: "the main of PID 1 in the guest", only: "initramfs/guest"},
	{path: "cmd/modmatrix-shell", floor: 3, reason: "the shell of the guest", only: "nothing"},
}

// drawing is linked only by those who draw.
var drawing = map[string][]string{
	"charm.land/lipgloss": {"results/report"},
}

type listed struct {
	Dir, ImportPath                    string
	GoFiles                            []string
	Imports, TestImports, XTestImports []string
}

func (p listed) path() string { return strings.TrimPrefix(p.ImportPath, module) }

// within are those of imports that are of this project, without its name.
func within(imports []string) (paths []string) {
	for _, imp := range imports {
		if path, ok := strings.CutPrefix(imp, module); ok {
			paths = append(paths, path)
		}
	}
	return paths
}

var packages = sync.OnceValues(func() (all []listed, err error) {
	cmd := exec.Command("go", "list", "-json=Dir,ImportPath,GoFiles,Imports,TestImports,XTestImports", module+"...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	for dec := json.NewDecoder(strings.NewReader(string(out))); err == nil && dec.More(); {
		var p listed
		err = dec.Decode(&p)
		all = append(all, p)
	}
	return all, err
})

// eachPackage calls check with every package and its row.
func eachPackage(t *testing.T, check func(p listed, r room)) {
	t.Helper()
	all, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if i := slices.IndexFunc(house, func(r room) bool { return r.path == p.path() }); i >= 0 {
			check(p, house[i])
		}
	}
}

func floorOf(path string) int {
	i := slices.IndexFunc(house, func(r room) bool { return r.path == path })
	if i < 0 {
		return -1
	}
	return house[i].floor
}

func TestEveryPackageHasARow(t *testing.T) {
	all, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, p := range all {
		have = append(have, p.path())
		if floorOf(p.path()) < 0 {
			t.Errorf("%s stands on no floor: give it a row with a reason", p.path())
		}
	}
	seen := map[string]bool{}
	for _, r := range house {
		if r.reason == "" || seen[r.path] || !slices.Contains(have, r.path) {
			t.Errorf("the row of %s has no package, no reason, or is there twice", r.path)
		}
		seen[r.path] = true
		for _, other := range strings.Fields(r.beside) {
			if floorOf(other) != r.floor {
				t.Errorf("%s does not stand beside %s", other, r.path)
			}
		}
	}
}

// Tests may use what stands beside: a test with a real kernel needs one from somewhere.
func TestImportsGoDown(t *testing.T) {
	eachPackage(t, func(p listed, r room) {
		for _, imp := range within(p.Imports) {
			if floorOf(imp) >= r.floor && !slices.Contains(strings.Fields(r.beside), imp) {
				t.Errorf("%s (floor %d) imports %s (floor %d)", r.path, r.floor, imp, floorOf(imp))
			}
			if r.only != "" && !slices.Contains(strings.Fields(r.only), imp) {
				t.Errorf("%s imports %s, and may import of this project: %s", r.path, imp, r.only)
			}
			if imp == "vm/vmtest" || imp == "results/slowtest" || imp == "kernels/prebuilt/kotest" {
				t.Errorf("%s imports %s outside of its tests", r.path, imp)
			}
		}
		for _, imp := range within(slices.Concat(p.TestImports, p.XTestImports)) {
			if floorOf(imp) > r.floor {
				t.Errorf("tests of %s (floor %d) import %s (floor %d)", r.path, r.floor, imp, floorOf(imp))
			}
		}
	})
}

// What a row allows is used: else it is left over from something that has moved on.
func TestRowsAllowNoMoreThanIsUsed(t *testing.T) {
	eachPackage(t, func(p listed, r room) {
		for _, other := range strings.Fields(r.beside) {
			if !slices.Contains(within(p.Imports), other) {
				t.Errorf("%s may import %s, and does not", r.path, other)
			}
		}
		for _, other := range strings.Fields(r.only) {
			if other != "nothing" && !slices.Contains(within(slices.Concat(p.Imports, p.TestImports, p.XTestImports)), other) {
				t.Errorf("%s may import %s alone, and does not", r.path, other)
			}
		}
		if starts := slices.Contains(p.Imports, "os/exec"); starts != (r.starts != "") {
			t.Errorf("%s imports os/exec: %v; its row says it starts: %q", r.path, starts, r.starts)
		}
	})
}

func TestOnlyFewDraw(t *testing.T) {
	eachPackage(t, func(p listed, r room) {
		for library, rooms := range drawing {
			links := slices.ContainsFunc(p.Imports, func(imp string) bool { return strings.HasPrefix(imp, library) })
			if links != slices.Contains(rooms, r.path) {
				t.Errorf("%s links %s: %v", r.path, library, links)
			}
		}
	})
}

func TestEveryPackageSaysOnceWhatItIsFor(t *testing.T) {
	eachPackage(t, func(p listed, r room) {
		var docs []string
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if file.Doc != nil {
				docs = append(docs, name)
			}
		}
		if len(docs) != 1 && len(p.GoFiles) > 0 {
			t.Errorf("%s has %d package comments: %v", r.path, len(docs), docs)
		}
	})
}
