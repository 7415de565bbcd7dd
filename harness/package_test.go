package harness

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/packaging"
	"github.com/modmatrix/modmatrix/results"
)

func TestOnlyAPackageIsInstalledAsOne(t *testing.T) {
	p := &Plan{Spec: Spec{Module: "drv"}, Targets: []kernels.Target{{Release: "6.1"}, {Release: "6.1", Profile: packaging.Profile}}, in: intake{module: &dkms.Package{Kind: dkms.Folder}}}
	var usage *UsageError
	if err := p.checkPackage(); !errors.As(err, &usage) || !strings.Contains(err.Error(), "+package installs a package, and drv is none: make one by modmatrix package deb, and run that") {
		t.Error(err)
	}
	for _, kind := range []dkms.Kind{dkms.Deb, dkms.Archive} {
		p.in.module.Kind = kind
		if err := p.checkPackage(); err != nil {
			t.Error(err)
		}
	}
	p.in.depends = []packed{{}}
	if err := p.checkPackage(); !errors.As(err, &usage) {
		t.Error(err)
	}
	p.Spec.Prebuilt = []string{"a.ko"}
	if err := p.checkPackage(); !errors.As(err, &usage) || !strings.Contains(err.Error(), "--prebuilt builds nothing") {
		t.Error(err)
	}
	if p.Targets = p.Targets[:1]; p.checkPackage() != nil {
		t.Error("a kernel without +package asks for none")
	}
}

// A deb and an archive of one source are installed by other tools: what came of one says nothing of the other.
func TestEachPackageIsInstalled(t *testing.T) {
	keys := map[string]bool{}
	for _, text := range []string{"deb", "tar", ""} {
		file := filepath.Join(t.TempDir(), "package")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		tree := &kernels.Tree{Target: kernels.Target{Release: "6.1"}}
		if text != "" {
			tree.Target.Profile = packaging.Profile
		}
		keys[(&builder{plan: &Plan{Spec: Spec{Module: file}}}).buildKey(tree, packed{digest: "sha256:1"}, exports{})] = true
	}
	if len(keys) != 3 {
		t.Errorf("%d keys of three", len(keys))
	}
}

func TestPackageDeclaresWhatWasMeasuredOfThisSource(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "drv")
	for name, text := range map[string]string{"Makefile": "obj-m := drv.o\n", "drv.c": "MODULE_LICENSE(\"GPL\");\nMODULE_VERSION(\"1\");\n"} {
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	h, err := New(Options{CacheDir: t.TempDir(), Tool: "modmatrix test"})
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{Module: dir}
	plan, err := h.PlanModule(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	of := func(digest string) *results.Results {
		return &results.Results{Module: results.Module{Name: "drv", SourceDigest: digest}, Run: results.Run{Started: time.Date(2026, 11, 30, 1, 2, 3, 0, time.UTC)},
			Records: []results.Record{{Suite: "x", Status: results.Pass, Specs: []results.Spec{{Name: "x", Status: results.Pass}}, Target: results.Target{Release: "6.1.9", Version: "6.1.9"}}}}
	}
	for name, test := range map[string]struct {
		req             PackageRequest
		epoch           string
		min, note, fail string
	}{
		"measured":        {PackageRequest{Results: of(plan.Module.SourceDigest)}, "", "6.1", "", ""},
		"of another":      {PackageRequest{Results: of("sha256:1")}, "", "", "the results are of another source of drv: modmatrix run again; no range of kernels is declared", ""},
		"asked for":       {PackageRequest{Results: of("sha256:1"), Asked: true}, "", "", "", "the results are of another source of drv: modmatrix run again"},
		"nothing":         {PackageRequest{}, "", "", "there are no results of this module", ""},
		"epoch":           {PackageRequest{}, "x", "", "", `SOURCE_DATE_EPOCH is "x": it is a number of seconds since 1970`},
		"nobody packages": {PackageRequest{Kind: packaging.Deb, Maintainer: "x"}, "", "", "", `"x" is no maintainer`},
	} {
		t.Setenv("SOURCE_DATE_EPOCH", test.epoch)
		if test.req.Kind == "" {
			test.req.Kind = packaging.Tar
		}
		test.req.Out = filepath.Join(t.TempDir(), "new")
		made, err := h.Package(t.Context(), spec, test.req)
		var usage *UsageError
		if test.fail != "" {
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), test.fail) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || made.Kernels.Min != test.min || !strings.Contains(strings.Join(made.Notes, "\n"), test.note) {
			t.Errorf("%s: %+v, %v", name, made, err)
		}
		if info, err := os.Stat(made.File); err != nil || filepath.Dir(made.File) != test.req.Out || info.Mode() != 0o644 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if at, _ := (PackageRequest{}).out(dir); at != filepath.Dir(dir) {
		t.Errorf("beside the module is %s", at)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "")
	if at, err := (PackageRequest{Results: of("")}).time(); err != nil || at != time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC) {
		t.Error(at, err)
	}
	for _, env := range [][2]string{{"DEBFULLNAME", "A. B"}, {"DEBEMAIL", "a@b"}} {
		t.Setenv(env[0], env[1])
	}
	if got := maintainer(context.Background()); got != "A. B <a@b>" {
		t.Error(got)
	}
}
