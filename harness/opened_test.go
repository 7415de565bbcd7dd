package harness

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/evidence"
)

// repacked is the bundle with another body and other files.
func repacked(t testing.TB, file string, change func(*bundleBody, []evidence.File) []evidence.File) string {
	t.Helper()
	var files []evidence.File
	m, err := evidence.ReadFile(t.Context(), file, evidence.BundleSchema, evidence.BundleLimits, func(e evidence.Entry, in io.Reader) error {
		data, err := io.ReadAll(in)
		files = append(files, evidence.File{Name: e.Name, Exec: e.Exec(), Data: data})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var body bundleBody
	if err := json.Unmarshal(m.Body, &body); err != nil {
		t.Fatal(err)
	}
	files = change(&body, files)
	if m.Body, err = json.Marshal(body); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "changed.tar.zst")
	if _, _, err := evidence.WriteFile(to, m, files); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestHostileBundles(t *testing.T) {
	f := newFixture(t, "")
	strange(t, f.spec.Module)
	file := bundled(t, f)
	for name, c := range map[string]struct {
		change func(*bundleBody)
		want   string
	}{
		"another protocol":               {func(b *bundleBody) { b.Protocol = "9-x" }, "another protocol (9-x) than this modmatrix ("},
		"no module":                      {func(b *bundleBody) { b.Packages = nil }, "says not what it is of"},
		"a module elsewhere":             {func(b *bundleBody) { b.Packages[0].Dir = "../../../etc" }, "holds a package in"},
		"a module at an absolute path":   {func(b *bundleBody) { b.Packages[0].Dir = "/etc" }, "holds a package in"},
		"a module that is not there":     {func(b *bundleBody) { b.Packages[0].Dir, b.Packages[0].Links = "source/x", nil }, "lacks the folder"},
		"a module that is a file":        {func(b *bundleBody) { b.Packages[0].Dir, b.Packages[0].Links = ConfigName, nil }, "lacks the folder"},
		"a module in a suite":            {func(b *bundleBody) { b.Packages[0].Dir = "suites" }, "Kbuild"},
		"a folder that leads out":        {func(b *bundleBody) { b.Packages[0].Folder = "../.." }, "names the folder"},
		"a git folder that leads out":    {func(b *bundleBody) { b.Packages[0].Git = map[string]string{"../..": strings.Repeat("0", 64)} }, "names the git folder"},
		"a digest that is none":          {func(b *bundleBody) { b.Packages[0].Git = map[string]string{".": "x\n"} }, "names the git folder"},
		"a need that is an option":       {func(b *bundleBody) { b.Packages[0].Needs = []string{"-o=x"} }, "no package's name"},
		"a link that leads out":          {func(b *bundleBody) { b.Packages[0].Links = []bundledLink{{"l", "../../../../etc/passwd"}} }, "leads out of its source"},
		"an absolute link":               {func(b *bundleBody) { b.Packages[0].Links = []bundledLink{{"l", "/etc/passwd"}} }, "leads out of its source"},
		"a link with a name that is out": {func(b *bundleBody) { b.Packages[0].Links = []bundledLink{{"../../l", "x"}} }, "leads out of its source"},
		"a link in place of a file":      {func(b *bundleBody) { b.Packages[0].Links = []bundledLink{{"Kbuild", "fifo.c"}} }, "cannot be there"},
		"a link below a file":            {func(b *bundleBody) { b.Packages[0].Links = []bundledLink{{"Kbuild/x", "y"}} }, "cannot be there"},
		"a link twice":                   {func(b *bundleBody) { b.Packages[0].Links = []bundledLink{{"l", "x"}, {"l", "y"}} }, "cannot be there"},
		"a suite that is not there":      {func(b *bundleBody) { b.Guests[1].Name = "suites/x" }, "or names it badly"},
		"a suite that is a path":         {func(b *bundleBody) { b.Guests[1].Suite = "../x" }, "or names it badly"},
		"an image of the host":           {func(b *bundleBody) { b.Guests[0].Name = "/etc/passwd" }, "or names it badly"},
		"another digest":                 {func(b *bundleBody) { b.Module.SourceDigest = "sha256:x" }, "another digest than its manifest says: take"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := repacked(t, file, func(b *bundleBody, files []evidence.File) []evidence.File { c.change(b); return files })
			b, err := OpenBundle(t.Context(), f.store.Dir(), bad)
			if err == nil {
				spec := f.spec
				spec.Module, spec.Bundle, spec.Ready = bad, b, b.Ready()
				if _, err = f.PlanModule(t.Context(), spec); err == nil {
					t.Error("taken")
				}
				b.Close()
			}
			if _, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), f.store.Dir()) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if left, _ := filepath.Glob(filepath.Join(f.store.Dir(), "work", "*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// What a bundle says of its commit is shown, and no more than a commit's name.
func TestABundlesCommitIsAName(t *testing.T) {
	f := newFixture(t, "")
	strange(t, f.spec.Module)
	bad := repacked(t, bundled(t, f), func(b *bundleBody, files []evidence.File) []evidence.File {
		b.Module.Git.Commit = "0123; rm -rf /"
		return files
	})
	defer opened(t, f, bad).Close()
	p, err := f.PlanModule(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.Module.Git != nil {
		t.Errorf("%+v", p.Module.Git)
	}
}

// FuzzBundle opens bundles with any manifest: it is the caller's mistake, or a package in the bundle's own folder.
func FuzzBundle(f *testing.F) {
	files := []evidence.File{{Name: "source/d/Kbuild", Data: []byte("obj-m := a.o\n")}, {Name: "source/d/a.c"}, {Name: "base/x86_64", Data: []byte("x")}}
	body, err := json.Marshal(bundleBody{Packages: []bundledPackage{{Dir: "source/d", Links: []bundledLink{{"l", "a.c"}}}}, Guests: []guestFile{{"", "x86_64", "base/x86_64"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"packages":[{"dir":"source","folder":"d","git":{".":"0"},"needs":["x"]}]}`))
	cache := f.TempDir()
	f.Fuzz(func(t *testing.T, body []byte) {
		var parsed bundleBody
		if json.Unmarshal(body, &parsed) != nil {
			return
		}
		parsed.Protocol = ""
		b := &Bundle{Path: "x", Dir: t.TempDir(), body: parsed}
		root, err := os.OpenRoot(b.Dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		for _, file := range files {
			if err := errors.Join(root.MkdirAll(filepath.Dir(file.Name), 0o755), root.WriteFile(file.Name, file.Data, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range parsed.Packages {
			if err = errors.Join(err, b.link(root, p)); err != nil {
				return
			}
		}
		packages, err := b.open(cache)
		if _, ok := errors.AsType[*UsageError](err); err != nil && !ok {
			t.Fatal(err)
		}
		for _, p := range packages {
			if !strings.HasPrefix(p.Source+"/", b.Dir+"/") {
				t.Errorf("%s is outside of %s", p.Source, b.Dir)
			}
		}
	})
}
