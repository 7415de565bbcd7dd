package harness

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/vm"
)

// ready makes a file for guests with that content; the image, where suite is empty.
func ready(t *testing.T, suite, content string) initramfs.Ready {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, content)
	return initramfs.Ready{Suite: suite, Arch: vm.HostArch(), SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(content))), Size: int64(len(content)), Path: path}
}

// withoutGo lets f's compilers fail as on a machine that has no Go.
func withoutGo(f *fixture) {
	none := &initramfs.NoGoError{Why: "no go command on PATH"}
	f.suiteDigest = func(initramfs.Suites, context.Context, string) (string, error) { return "", none }
	f.baseDigest = func(context.Context, string, string) (string, error) { return "", none }
	f.compile = func(initramfs.Suites, context.Context, string, string) error { return none }
	f.base = func(context.Context, initramfs.Options) error { return none }
}

// Where what guests run is at hand, it is taken: what the Spec brings first, then what this binary carries, unless a source
// is named; it is compiled only where it is nowhere.
func TestWhatIsReadyIsNotCompiled(t *testing.T) {
	t.Setenv(initramfs.EnvSource, "")
	f := newFixture(t, "")
	m := maker{f.Harness, Spec{}, vm.HostArch(), t.TempDir()}
	origin := func() string {
		t.Helper()
		image, err := m.image(t.Context())
		paths, err2 := m.suites(t.Context(), []Suite{{Name: Lifecycle}})
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		one, err1 := os.ReadFile(image)
		two, err2 := os.ReadFile(paths[0])
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		return string(one) + ", " + string(two)
	}
	expect := func(want string) {
		t.Helper()
		if got := origin(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	expect("base, suite")
	carried := []initramfs.Ready{ready(t, "", "carried image"), ready(t, Lifecycle, "carried suite")}
	f.carried = func() ([]initramfs.Ready, error) { return carried, nil }
	expect("carried image, carried suite")
	foreign := ready(t, "", "an image for others")
	foreign.Arch = "elsewhere"
	m.spec.Ready = []initramfs.Ready{foreign, ready(t, "", "brought image")}
	expect("brought image, carried suite")
	m.spec.Ready = append(m.spec.Ready, ready(t, Lifecycle, "brought suite"))
	expect("brought image, brought suite")
	m.spec.Ready = nil
	t.Setenv(initramfs.EnvSource, "..")
	expect("base, suite")
}

// A suite that the Spec brings needs no folder, and no Go; another one does, and the error says so before anything is run.
func TestSuitesWithoutGo(t *testing.T) {
	t.Setenv(initramfs.EnvSource, "")
	f := newFixture(t, "call pass\npoweroff\n")
	withoutGo(f)
	f.spec.Ready = []initramfs.Ready{ready(t, "", "image"), ready(t, Lifecycle, "suite")}
	res, err := f.run(t, t.Context())
	if err != nil || !strings.Contains(summary(res), "old-amd64 lifecycle PASS") {
		t.Errorf("%v, %v", res, err)
	}
	own := filepath.Join(t.TempDir(), "mine")
	write(t, filepath.Join(own, "mine_test.go"), "package mine\n")
	for name, c := range map[string]struct {
		suite string
		ready []initramfs.Ready
		want  string
	}{
		"of one's own":   {own, nil, "suite mine has to be compiled: no go command on PATH: install Go 1.26 or later"},
		"the built-in":   {Lifecycle, nil, "suite lifecycle has to be compiled: no go command on PATH: install Go 1.26 or later"},
		"for others":     {"fifo", []initramfs.Ready{{Suite: "fifo", Arch: "elsewhere", SHA256: strings.Repeat("0", 64)}}, "suite fifo has no source here, and is ready for guests of elsewhere, not of x86_64"},
		"of no name":     {"fifo", nil, `unknown suite "fifo"`},
		"that leads out": {"x", []initramfs.Ready{{Suite: "../x", Arch: "x86_64", SHA256: strings.Repeat("0", 64)}}, `"../x" is no name for a suite`},
	} {
		f.spec.Suites, f.spec.Ready = []string{c.suite}, c.ready
		f.spec.Out = filepath.Join(t.TempDir(), "out")
		p, err := f.Plan(t.Context(), f.spec)
		if err == nil {
			_, err = f.Run(t.Context(), p)
			p.Close()
		}
		if usage, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(usage.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if _, err := os.Stat(f.spec.Out); err == nil {
			t.Errorf("%s: something was written", name)
		}
	}
}

// A file that is not what its digest says is never run.
func TestDamagedReadyIsRefused(t *testing.T) {
	f := newFixture(t, "")
	bad := ready(t, Lifecycle, "suite")
	write(t, bad.Path, "siute")
	_, err := maker{f.Harness, Spec{Ready: []initramfs.Ready{bad}}, vm.HostArch(), t.TempDir()}.suites(t.Context(), []Suite{{Name: Lifecycle}})
	if err == nil || !strings.Contains(err.Error(), "suite lifecycle for x86_64 is not the file that its SHA-256 digest is of") {
		t.Error(err)
	}
}

// An image that came along is one of the questions that were asked; what it claims of specs and of the accelerator is
// believed of itself alone.
func TestABroughtImageIsBelievedOfItselfAlone(t *testing.T) {
	one, other := Spec{Ready: []initramfs.Ready{ready(t, "", "one")}}, Spec{Ready: []initramfs.Ready{ready(t, "", "other")}}
	seen := map[string]bool{}
	for _, s := range []Spec{{}, one, other} {
		f := newFixture(t, "")
		p := &pool{h: f.Harness, spec: s}
		key := strings.TrimPrefix(p.probeDir(vm.HostArch()), f.store.Dir()) + (&Plan{Spec: s}).Digest()
		if seen[key] {
			t.Errorf("%s is that of another image", key)
		}
		seen[key] = true
	}
}

// MakeReady has what another Spec can bring along.
func TestMakeReady(t *testing.T) {
	t.Setenv(initramfs.EnvSource, "")
	f := newFixture(t, "call pass\npoweroff\n")
	all, err := f.MakeReady(t.Context(), Spec{}, vm.HostArch(), []Suite{{Name: Lifecycle}}, t.TempDir())
	if err != nil || len(all) != 2 || all[0].Suite != "" || all[1].Suite != Lifecycle {
		t.Fatalf("%v, %v", all, err)
	}
	withoutGo(f)
	f.spec.Ready = all
	res, err := f.run(t, t.Context())
	if err != nil || !strings.Contains(summary(res), "old-amd64 lifecycle PASS") {
		t.Errorf("%v, %v", res, err)
	}
}
