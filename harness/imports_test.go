package harness_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/modmatrix/modmatrix"

// rooms says for each package, by the longest prefix of its path, on which floor it stands and why it may import
// beyond the rule. The rule: imports go down, and the rooms of one floor do not know each other.
var rooms = []struct {
	prefix string
	floor  int
	reason string
}{
	{"results", 0, "shared words, readable with no kernel in sight"},
	{"kernels", 1, "obtains and builds against kernels; never boots one"},
	{"initramfs", 1, "packs the guest; never learns what it is for"},
	{"vm", 1, "runs a machine; never learns what is in it"},
	{"suites", 1, "runs in the guest and is imported by strangers: it must stay light"},
	{"harness", 2, "the only place where the rooms meet"},
	{"cmd/modmatrix-init", 2, "main of the guest's init: one call into initramfs/guest"},
	{"cmd/modmatrix-bench", 3, "measures what the rooms below it export, side by side"},
	{"cmd", 3, "flags in, one call, one rendering"},
}

type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
	Doc                                string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Doc", module+"/...")
	cmd.Dir = ".."
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []listed
	for dec := json.NewDecoder(out); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return all
}

func room(path string) (prefix string, floor int) {
	rel := strings.TrimPrefix(path, module+"/")
	floor = -1
	for _, r := range rooms {
		if (rel == r.prefix || strings.HasPrefix(rel, r.prefix+"/")) && len(r.prefix) > len(prefix) {
			prefix, floor = r.prefix, r.floor
		}
	}
	return prefix, floor
}

func TestImportsGoDown(t *testing.T) {
	for _, p := range packages(t) {
		from, floor := room(p.ImportPath)
		if floor < 0 {
			t.Errorf("%s stands on no floor: give it a row with a reason", p.ImportPath)
			continue
		}
		for _, imp := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if !strings.HasPrefix(imp, module+"/") {
				continue
			}
			to, below := room(imp)
			if from != to && below >= floor {
				t.Errorf("%s (floor %d) imports %s (floor %d)", p.ImportPath, floor, imp, below)
			}
		}
	}
}

// mayStart lists who may start processes on the host.
var mayStart = map[string]string{
	"kernels":   "apt, mmdebstrap, bwrap and make are how kernels are obtained and built against",
	"initramfs": "go compiles the guest's programs and the suites",
	"vm":        "QEMU",
	"suites":    "in the guest",

	"cmd/modmatrix-bench": "itself anew, since what a fresh process costs cannot be measured in an old one; and virtme-ng, beside us",
}

func TestOnlyFewStartProcesses(t *testing.T) {
	for _, p := range packages(t) {
		from, _ := room(p.ImportPath)
		if _, ok := mayStart[from]; !ok && slices.Contains(p.Imports, "os/exec") {
			t.Errorf("%s imports os/exec", p.ImportPath)
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && len(p.Imports) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
