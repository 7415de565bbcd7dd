package harness_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/arch"
)

// archsEnv are the architectures that TestRealArch takes, in Debian's words.
const archsEnv = "MODMATRIX_TEST_ARCHS"

// cheapArchs are one of each order of bytes, whose kernels boot in seconds.
const cheapArchs = "arm64 s390x"

// archKernel is the kernel of an architecture that boots the soonest.
var archKernel = map[string]string{"arm64": "debian:bookworm/cloud-arm64", "amd64": "debian:bookworm/cloud-amd64", "riscv64": "debian:trixie%riscv64"}

// TestRealArch runs the example on kernels of other machines, each in a clone of the guest that booted, where it can be cloned. Where architectures are asked for, it also
// has package vm boot, freeze, clone and end their guests in every way.
func TestRealArch(t *testing.T) {
	needReal(t)
	asked := strings.Fields(os.Getenv(archsEnv))
	archs := asked
	if len(archs) == 0 {
		archs = strings.Fields(cheapArchs)
	}
	for _, name := range archs {
		t.Run(name, func(t *testing.T) {
			a, ok := arch.Named(name)
			if !ok {
				t.Fatalf("no architecture %s", name)
			}
			text := archKernel[a.Debian]
			if text == "" {
				text = "debian:bookworm%" + a.Debian
			}
			archRuns(t, text, a)
			if len(asked) > 0 {
				archMachine(t, a, text)
			}
		})
	}
}

func archRuns(t *testing.T, text string, a arch.Arch) {
	clones, cpus := a.QEMU.NoTemplate == "", 1
	if a.Kbuild == "x86" {
		cpus = 2 // of which some of its processors make the kernel warn
	}
	res := runReal(t, t.Context(), harness.Spec{Module: exampleDriver, Kernels: harness.Selectors(text), Suites: []string{harness.Lifecycle, exampleSuite}, NoCache: true, CPUs: cpus})
	if len(res.Records) != 2 {
		t.Fatalf("%d records, want 2", len(res.Records))
	}
	for _, rec := range res.Records {
		if i := slices.IndexFunc(rec.Notes, func(note string) bool { return strings.HasPrefix(note, "before the module was loaded: ") }); i >= 0 {
			t.Errorf("%s: %s", rec.Target.Release, rec.Notes[i])
		}
		if rec.Status != results.Pass || (rec.Timings.Restore > 0) != clones {
			t.Errorf("%s %s: %s@%s %s: %s; restored in %d ms", rec.Target.Release, rec.Suite, rec.Status, rec.Stage, rec.Code, rec.Reason, rec.Timings.Restore)
		}
		t.Logf("%s %s: %+v", rec.Target.Release, rec.Suite, rec.Timings)
	}
}

// archMachine has package vm test its machine with a kernel of a.
func archMachine(t *testing.T, a arch.Arch, text string) {
	h, err := harness.New(harness.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tree := fetchReal(t, debian.New(h.Store(), debian.Config{}), harness.Selectors(text)[0])
	tests := "^TestReal(Ends|Terminal|Flood|BulkReport|Probe|Diagnose)$"
	if a.QEMU.NoTemplate == "" {
		tests = strings.Replace(tests, ")", "|Clones)", 1)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-timeout=40m", "-run", tests, "-v", ".")
	cmd.Dir = filepath.Join("..", "vm")
	cmd.Env = append(os.Environ(), "MODMATRIX_TEST_ARCH="+a.Debian, "MODMATRIX_TEST_KERNELS="+tree.Image)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "--- SKIP") {
		t.Errorf("%v\n%s", err, out)
	}
}
