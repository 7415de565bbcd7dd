package harness

import (
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/results"
)

// realBuilds builds one module again and again against one kernel of Debian, with and without what ccache kept.
type realBuilds struct {
	*testing.T
	module string
	tree   *kernels.Tree
	r      *run
}

func newRealBuilds(t *testing.T, module, kernel string) *realBuilds {
	t.Helper()
	if os.Getenv("MODMATRIX_REAL") == "" {
		t.Skip("compiles for real kernels: set MODMATRIX_REAL=1, or make real")
	}
	h, err := New(Options{Tool: "modmatrix test"})
	if err != nil {
		t.Fatal(err)
	}
	b := &realBuilds{T: t, module: module}
	b.r = b.plan(h, kernel)
	if b.tree, err = b.r.fetch(t.Context(), b.r.plan.Targets[0], b.r.inLine(b.r.plan.Targets[0])); err != nil {
		t.Fatal(err)
	}
	return b
}

// plan reads the source as it is now.
func (b *realBuilds) plan(h *Harness, kernel string) *run {
	b.Helper()
	p, err := h.Plan(b.Context(), Spec{Module: b.module, Kernels: Selectors(kernel), BuildOnly: true})
	if err != nil {
		b.Fatal(err)
	}
	r, err := h.prepare(b.Context(), p)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.cleanUp(); p.Close() })
	return r
}

// again is b for the source as it is now.
func (b *realBuilds) again() *realBuilds {
	own := *b
	own.r = b.plan(b.r.h, b.r.plan.Targets[0].Source)
	return &own
}

// build returns the modules, each as all of its bytes, by name. Without objects all is compiled.
func (b *realBuilds) build(ctx context.Context, objects string) (modules map[string]string, took results.Objects, err error) {
	b.Helper()
	dir := b.TempDir()
	plan := b.r.plan
	conf, err := b.r.builder.confOfOne(ctx, b.tree)
	if err == nil {
		err = b.r.builder.buildInto(ctx, dir, b.tree, packed{plan.in.module, plan.Module.SourceDigest}, conf, exports{}, objects, filepath.Join(dir, "log"))
	}
	if err != nil {
		return nil, took, err
	}
	made, err := readProduct(dir)
	if err != nil {
		b.Fatal(err)
	}
	modules = map[string]string{}
	for _, m := range append(made.Modules, made.Unlisted...) {
		data, err := os.ReadFile(m.Path)
		if err != nil {
			b.Fatal(err)
		}
		modules[filepath.Base(m.Path)] = string(data)
	}
	return modules, made.Objects, nil
}

// same holds that a build with objects gives what one from nothing gives.
func (b *realBuilds) same(what string, nothing map[string]string, objects string) results.Objects {
	b.Helper()
	got, took, err := b.build(b.Context(), objects)
	if err != nil {
		b.Errorf("%s: %v", what, err)
		return took
	}
	for name, data := range nothing {
		if got[name] != data {
			b.Errorf("%s: %s is not what a build from nothing makes of it", what, name)
		}
	}
	if len(got) != len(nothing) || len(nothing) == 0 {
		b.Errorf("%s: %d modules, not %d", what, len(got), len(nothing))
	}
	b.Logf("%s: %d compiled, %d reused", what, took.Compiled, took.Reused)
	return took
}

func (b *realBuilds) fromNothing() map[string]string {
	b.Helper()
	nothing, _, err := b.build(b.Context(), "")
	if err != nil {
		b.Fatal(err)
	}
	return nothing
}

// unpacked is the source of a package of Debian.
func unpacked(t *testing.T, suite, name string) string {
	t.Helper()
	if os.Getenv("MODMATRIX_REAL") == "" {
		t.Skip("compiles for real kernels: set MODMATRIX_REAL=1, or make real")
	}
	h, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	deb, err := debian.New(h.store, debian.Config{}).Deb(t.Context(), suite, name)
	if err != nil {
		t.Fatal(err)
	}
	source, _ := filepath.Glob(filepath.Join(deb.Dir, "usr/src/*"))
	dir := filepath.Join(t.TempDir(), name)
	if len(source) != 1 {
		t.Fatalf("%s has %d folders of source", name, len(source))
	}
	if err := os.CopyFS(dir, os.DirFS(source[0])); err != nil {
		t.Fatal(err)
	}
	return dir
}

func copied(t *testing.T, from string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), filepath.Base(from))
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func appended(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// smallKernels are those of the tests here, of two roots with different versions of ccache.
var smallKernels = []string{"debian:bookworm/cloud-amd64", "debian:trixie/cloud-amd64"}

// TestRealObjects holds that builds which take objects of earlier ones make the same modules to the byte as a build from nothing: when
// nothing has changed, when a source has, and when a flag has that all depend on.
func TestRealObjects(t *testing.T) {
	for _, tt := range []struct {
		name, deb   string
		file, flags string
		objects     int // at least
		kernels     []string
	}{
		{name: "example", file: "fifo.c", flags: "Kbuild", objects: 2, kernels: smallKernels},
		{name: "v4l2loopback", deb: "v4l2loopback-dkms", file: "v4l2loopback.c", objects: 2, kernels: []string{"debian:bookworm"}},
		{name: "jool", deb: "jool-dkms", file: "src/mod/common/xlator.c", objects: 40, kernels: smallKernels[:1]},
	} {
		for _, kernel := range tt.kernels {
			t.Run(tt.name+" "+kernel, func(t *testing.T) {
				module := copied(t, "../suites/example/driver")
				if tt.deb != "" {
					module = unpacked(t, "bookworm", tt.deb)
				}
				b, objects := newRealBuilds(t, module, kernel), t.TempDir()
				nothing := b.fromNothing()
				if took := b.same("an empty cache", nothing, objects); took.Compiled < tt.objects {
					t.Errorf("%d objects were compiled, not %d or more", took.Compiled, tt.objects)
				}
				if took := b.same("nothing changed", nothing, objects); took.Reused < tt.objects || took.Compiled > 0 {
					t.Errorf("%d objects were compiled", took.Compiled)
				}
				for _, change := range [][3]string{{"a source", tt.file, "\nstatic const int objects_changed __attribute__((__used__)) = 7;\n"},
					{"a flag", tt.flags, "\nccflags-y += -fno-gcse\n"}} {
					what := change[0]
					if change[1] == "" {
						continue
					}
					appended(t, filepath.Join(module, change[1]), change[2])
					b = b.again()
					changed := b.fromNothing()
					if fmt.Sprint(changed) == fmt.Sprint(nothing) {
						t.Errorf("%s changed, and no module did", what)
					}
					nothing = changed
					took := b.same(what+" changed", nothing, objects)
					if what == "a source" && took.Compiled > 4 { // with those that modpost writes
						t.Errorf("%s changed, and %d objects were compiled", what, took.Compiled)
					}
				}
			})
		}
	}
}

// TestRealObjectsDamaged holds that whatever has become of what ccache kept, the module is that of a build from nothing.
func TestRealObjectsDamaged(t *testing.T) {
	for _, kernel := range smallKernels {
		t.Run(kernel, func(t *testing.T) {
			b := newRealBuilds(t, copied(t, "../suites/example/driver"), kernel)
			nothing := b.fromNothing()
			kept, objects := t.TempDir(), ""
			b.same("an empty cache", nothing, kept)
			for name, damage := range map[string]func(path string, data []byte) error{
				"half of each file is there": func(path string, data []byte) error { return os.WriteFile(path, data[:len(data)/2], 0o644) },
				"each file is empty":         func(path string, data []byte) error { return os.WriteFile(path, nil, 0o644) },
				"each file is noise": func(path string, data []byte) error {
					_, _ = rand.Read(data)
					return os.WriteFile(path, data, 0o644)
				},
				"a bit of each file is another": func(path string, data []byte) error {
					if len(data) > 0 {
						data[len(data)/2] ^= 4
					}
					return os.WriteFile(path, data, 0o644)
				},
				"each file goes on": func(path string, data []byte) error { return os.WriteFile(path, append(data, data...), 0o644) },
				"each file is a folder": func(path string, data []byte) error {
					if err := os.Remove(path); err != nil {
						return err
					}
					return os.Mkdir(path, 0o755)
				},
				"each file is a link to nothing": func(path string, data []byte) error {
					if err := os.Remove(path); err != nil {
						return err
					}
					return os.Symlink("/dev/null", path)
				},
				"nobody may read it": func(path string, data []byte) error { return os.Chmod(path, 0) },
				"its configuration is nonsense": func(path string, data []byte) error {
					return os.WriteFile(filepath.Join(objects, "ccache.conf"), []byte("max_size = nonsense\n=\nprefix_command = false\n"), 0o644)
				},
			} {
				objects = filepath.Join(t.TempDir(), "objects")
				if err := os.CopyFS(objects, os.DirFS(kept)); err != nil {
					t.Fatal(err)
				}
				eachFile(t, objects, damage)
				b.same(name, nothing, objects)
			}
		})
	}
}

func eachFile(t *testing.T, dir string, do func(path string, data []byte) error) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == "ccache.conf" {
			return err
		}
		n++
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return do(path, data)
	})
	if err != nil || n == 0 {
		t.Fatalf("%d files, %v", n, err)
	}
}

// TestRealObjectsForeign holds that what another module's builds kept, or this one's for another kernel, serves nobody.
func TestRealObjectsForeign(t *testing.T) {
	b := newRealBuilds(t, copied(t, "../suites/example/driver"), smallKernels[0])
	nothing := b.fromNothing()
	other := newRealBuilds(t, copied(t, "../suites/example/driver"), smallKernels[1])
	foreign := t.TempDir()
	other.same("another kernel", other.fromNothing(), foreign)
	appended(t, filepath.Join(other.module, "fifo.c"), "\nMODULE_INFO(objects, \"other\");\n")
	other.tree, other.r = b.tree, other.plan(other.r.h, smallKernels[0])
	other.same("another module", other.fromNothing(), foreign)
	if took := b.same("what others kept", nothing, foreign); took.Reused > 1 { // what modpost writes is the same
		t.Errorf("%d objects of others were taken", took.Reused)
	}
	ids := map[string]bool{}
	for _, one := range []*realBuilds{b, other} {
		dir, done, err := one.r.builder.objects(t.Context(), one.tree)
		if err != nil {
			t.Fatal(err)
		}
		done()
		ids[dir] = true
		_ = os.Remove(dir) // it is empty
	}
	if len(ids) != 2 {
		t.Error("two modules share one folder of objects")
	}
}

// TestRealObjectsFull holds that a disk without room for objects does not fail a module, and neither does one that is read-only.
func TestRealObjectsFull(t *testing.T) {
	b := newRealBuilds(t, copied(t, "../suites/example/driver"), smallKernels[0])
	nothing := b.fromNothing()
	for _, free := range []int{0, 16 << 10, 256 << 10} {
		objects := filepath.Join(t.TempDir(), "objects")
		smallDisk(t, objects, 1<<20)
		leaveFree(t, objects, free)
		b.same(fmt.Sprintf("%d bytes of room", free), nothing, objects)
	}
}

// TestRealObjectsKilled holds that a build which was killed, wherever it was, leaves nothing that another one is misled by.
func TestRealObjectsKilled(t *testing.T) {
	b := newRealBuilds(t, copied(t, "../suites/example/driver"), smallKernels[0])
	nothing, objects, killed := b.fromNothing(), t.TempDir(), 0
	for after := 100 * time.Millisecond; after < 2*time.Second; after += 300 * time.Millisecond {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		if _, _, err := b.build(ctx, objects); err != nil {
			killed++
		}
		cancel()
		b.same(fmt.Sprintf("killed after %v", after), nothing, objects)
		if err := os.RemoveAll(objects); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(objects, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if killed == 0 {
		t.Error("no build was killed")
	}
}
