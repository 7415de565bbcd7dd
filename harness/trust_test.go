package harness

import (
	"archive/tar"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/results/evidence"
)

// What is somebody else's is named in one line, with what is done with it; a folder is one's own.
func TestTheLineOfTrust(t *testing.T) {
	f := newFixture(t, "")
	strange(t, f.spec.Module)
	line := func(spec Spec) string {
		t.Helper()
		p, err := f.Plan(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		return strings.Join(p.trust(), "\n")
	}
	if got := line(f.spec); got != "" {
		t.Errorf("a folder: %q", got)
	}
	archive := filepath.Join(t.TempDir(), "drv\x1b[2J.tar")
	packFolder(t, archive, map[string]string{"drv/Kbuild": "obj-m := a.o\n", "drv/a.c": ""})
	file := bundled(t, f)
	b, err := OpenBundle(t.Context(), f.store.Dir(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	b.Ignored = "modmatrix.toml names host: ignored"
	ofBundle := Spec{Module: file, Bundle: b, Ready: b.Ready(), Kernels: f.spec.Kernels, Suites: f.spec.Suites}
	onlyBuilt := ofBundle
	onlyBuilt.BuildOnly = true
	const source = `: its source \(sha256:[0-9a-f]{12}…\) is built in the sandbox`
	for name, c := range map[string]struct {
		spec Spec
		want string
	}{
		"an archive": {Spec{Module: archive, Kernels: f.spec.Kernels, Suites: f.spec.Suites}, `drv\\x1b\[2J.tar is an archive, sha256:[0-9a-f]{64}, its signature, if it has one, was not looked at` + source +
			` and loaded in guests, and nothing of it runs on this machine itself$`},
		"a revision": {Spec{Module: f.spec.Module + "@v1", Kernels: f.spec.Kernels, Suites: f.spec.Suites}, `@v1 is commit [0-9a-f]{40}` + source + ` and loaded in guests`},
		"a bundle": {ofBundle, `fifo.tar.zst is a bundle, sha256:[0-9a-f]{64}, unsigned, made by .*` + source +
			` and loaded in guests, and nothing of it runs on this machine itself; its modmatrix.toml names host: ignored$`},
		"a build": {onlyBuilt, source + `, and nothing of it runs elsewhere; its modmatrix.toml`},
	} {
		if got := line(c.spec); !regexp.MustCompile(c.want).MatchString(got) {
			t.Errorf("%s: %q, want %s", name, got, c.want)
		}
	}
}

// Where -k here has a module loaded into this machine's kernel, the line does not say that nothing of it runs here.
func TestTheLineOfTrustHere(t *testing.T) {
	here := kernels.Target{Release: "6.1.0", Source: kernels.Here}
	for want, targets := range map[string][]kernels.Target{"loaded INTO THE KERNEL OF THIS MACHINE": {here}, "in guests AND INTO THE KERNEL": {here, {Release: "6.1.1", Source: "debian:sid"}}} {
		p := &Plan{Targets: targets, Spec: Spec{Prebuilt: []string{"m.ko"}}, in: intake{module: &dkms.Package{}}}
		if got := strings.Join(p.trust(), ""); !strings.Contains(got, want) || strings.Contains(got, "nothing of it runs") {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func packFolder(t *testing.T, path string, files map[string]string) {
	t.Helper()
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(out)
	for name, text := range files {
		err = errors.Join(err, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}))
		_, wrote := archive.Write([]byte(text))
		err = errors.Join(err, wrote)
	}
	if err := errors.Join(err, archive.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
}

// Suites and image of a bundle are for guests: this machine has no use for programs in them.
func TestNothingOfABundleRunsHere(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	ran := filepath.Join(t.TempDir(), "ran")
	program := "#!/bin/sh\ntouch " + ran + "\n"
	write(t, filepath.Join(f.spec.Module, "configure"), program)
	file := repacked(t, bundled(t, f), func(_ *bundleBody, files []evidence.File) []evidence.File {
		for i := range files {
			if files[i].Exec || strings.HasPrefix(files[i].Name, "base/") || filepath.Base(files[i].Name) == "configure" {
				files[i].Data, files[i].Exec = []byte(program), true
			}
		}
		return files
	})
	b, err := OpenBundle(t.Context(), f.store.Dir(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	b.body.Module.SourceDigest = "" // configure may be executed now
	f.spec.Module, f.spec.Bundle, f.spec.Ready = file, b, b.Ready()
	in, err := f.openPackages(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	if b.body.Module.SourceDigest, err = in.module.Files.Digest(t.Context()); err != nil {
		t.Fatal(err)
	}
	in.close()
	p, err := f.Plan(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if res, err := f.Run(t.Context(), p); err != nil || res.Summary["PASS"] != 2 {
		t.Errorf("%v %+v", err, res)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("a program of the bundle ran on this machine")
	}
}
