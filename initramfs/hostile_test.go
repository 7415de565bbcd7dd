package initramfs

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/modmatrix/modmatrix/results/slowtest"

	"github.com/modmatrix/modmatrix/results/arch"

	"golang.org/x/mod/sumdb/dirhash"
)

const aTest = "package x\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) {}\n"

// byGo compiles a suite as go itself does, which is the control: it returns what go said.
func byGo(t *testing.T, dir string, flags ...string) string {
	t.Helper()
	out, _ := goTest(dir, flags...) // it may well fail after the attack
	return string(out)
}

// goTest has this user's go compile a suite, with the flags of Compile: other flags make other objects of the standard library.
func goTest(dir string, flags ...string) ([]byte, error) {
	args := append([]string{"test", "-c", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", os.DevNull}, flags...)
	cmd := exec.Command("go", append(args, ".")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), guestEnv(arch.Host())...)
	return cmd.CombinedOutput()
}

// warm has this user's go compile what every suite is made of, once for all tests instead of in the cache of each: a sandbox
// reads that of the user.
var warm = sync.OnceValue(func() error {
	dir, err := os.MkdirTemp("", "modmatrix-warm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	err = errors.Join(os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module x\n\ngo 1.26\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "x_test.go"), []byte(aTest), 0o644))
	if err != nil {
		return err
	}
	if out, err := goTest(dir); err != nil {
		return fmt.Errorf("go test: %w: %s", err, out)
	}
	return nil
})

// TestSuiteStartsNothing: what a folder, or an environment that it found, has go start is not started.
func TestSuiteStartsNothing(t *testing.T) {
	slowtest.Skip(t)
	bin := t.TempDir()
	trap := filepath.Join(bin, "sprung")
	for _, name := range []string{"go1.99.9", "tool"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n: >"+trap+"\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := warm(); err != nil { // before the traps are there
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for what, c := range map[string]struct{ mod, flags, toolchain string }{
		"a toolchain": {mod: "module x\n\ngo 1.26\n\ntoolchain go1.99.9\n", toolchain: "path"},
		"toolexec":    {mod: "module x\n\ngo 1.26\n", flags: "-toolexec=" + filepath.Join(bin, "tool"), toolchain: "local"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Setenv("GOTOOLCHAIN", c.toolchain)
			t.Setenv("GOFLAGS", c.flags)
			dir := writeSuite(t, map[string]string{"go.mod": c.mod, "x_test.go": aTest})
			suites := Suites{Cache: t.TempDir(), Offline: true}
			_, err := suites.Digest(t.Context(), dir)
			if err := errors.Join(err, suites.Compile(t.Context(), dir, filepath.Join(t.TempDir(), "x.test"))); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(trap); err == nil {
				t.Error("it was started")
			}
			said := byGo(t, dir)
			if os.Remove(trap) != nil {
				t.Errorf("control: nothing was started: %s", said)
			}
		})
	}
}

// TestSuiteReadsNothingElse: a file of the host is not quoted to whoever reads what the assembler says.
func TestSuiteReadsNothingElse(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("topsecret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := writeSuite(t, map[string]string{"go.mod": "module x\n\ngo 1.26\n", "x_test.go": aTest,
		"x.go": "package x\n\nfunc f()\n", "x.s": "#include \"" + secret + "\"\n"})
	err := (Suites{Cache: t.TempDir(), Offline: true}).Compile(t.Context(), dir, filepath.Join(t.TempDir(), "x.test"))
	bad := (*CompileError)(nil)
	if !errors.As(err, &bad) || strings.Contains(bad.Output, "topsecret") {
		t.Errorf("error is %v", err)
	}
	if said := byGo(t, dir); !strings.Contains(said, "topsecret") {
		t.Errorf("control: it is not quoted: %s", said)
	}
}

// TestSuiteStaysInItsRepository: a folder elsewhere is not part of a suite, and the user reads which one.
func TestSuiteStaysInItsRepository(t *testing.T) {
	slowtest.Skip(t)
	top := t.TempDir()
	for name, text := range map[string]string{
		"outside/go.mod": "module y\n\ngo 1.26\n", "outside/y.go": "package y\n",
		"repo/.git/HEAD": "", "repo/lib/go.mod": "module y\n\ngo 1.26\n", "repo/lib/y.go": "package y\n",
		"repo/suite/x_test.go": "package x\n\nimport _ \"y\"\n",
	} {
		name = filepath.Join(top, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(top, "repo/suite")
	for to, want := range map[string]string{
		"../lib":        "",
		"../../outside": "go.mod replaces y by ../../outside, which is outside of " + filepath.Join(top, "repo") + ": only what is in there is open to it",
	} {
		mod := "module x.y/x\n\ngo 1.26\n\nrequire y v0.0.0\n\nreplace y => " + to + "\n"
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o644); err != nil {
			t.Fatal(err)
		}
		err := (Suites{Cache: t.TempDir(), Offline: true}).Compile(t.Context(), dir, filepath.Join(t.TempDir(), "x.test"))
		if got := fmt.Sprint(err); got != want && (want != "" || err != nil) {
			t.Errorf("%s: %s", to, got)
		}
		if said := byGo(t, dir); said != "" && !strings.Contains(said, "no test") {
			t.Errorf("control: go does not compile it: %s", said)
		}
	}
}

// TestSuiteOffline: where nothing may be downloaded, nobody is asked.
func TestSuiteOffline(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.NotFound(w, r)
	}))
	defer proxy.Close()
	t.Setenv("GOPROXY", proxy.URL)
	t.Setenv("GONOSUMDB", "*")
	t.Setenv("GOFLAGS", "-mod=mod")
	dir := writeSuite(t, map[string]string{"go.mod": "module x\n\ngo 1.26\n\nrequire example.com/y v1.2.3\n",
		"go.sum":    "example.com/y v1.2.3 h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nexample.com/y v1.2.3/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
		"x_test.go": "package x\n\nimport _ \"example.com/y\"\n"})
	err := (Suites{Cache: t.TempDir(), Offline: true}).Compile(t.Context(), dir, filepath.Join(t.TempDir(), "x.test"))
	if asked.Load() > 0 || !strings.HasPrefix(fmt.Sprint(err), "a module that it requires is not in Go's module cache") {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
	if said := byGo(t, dir); asked.Load() == 0 {
		t.Errorf("control: nobody was asked: %s", said)
	}
}

// TestSuiteDownloads: what a suite requires comes by the user's proxy, and is compiled against afterwards.
func TestSuiteDownloads(t *testing.T) {
	slowtest.Skip(t)
	proxy := t.TempDir()
	at := filepath.Join(proxy, "example.com/y/@v")
	const mod = "module example.com/y\n\ngo 1.26\n"
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"v1.2.3.info": `{"Version":"v1.2.3"}`, "v1.2.3.mod": mod, "list": "v1.2.3\n"} {
		if err := os.WriteFile(filepath.Join(at, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	archive, err := os.Create(filepath.Join(at, "v1.2.3.zip"))
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(archive)
	for name, text := range map[string]string{"go.mod": mod, "y.go": "package y\n"} {
		w, err := z.Create("example.com/y@v1.2.3/" + name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, text)
	}
	if err := errors.Join(z.Close(), archive.Close()); err != nil {
		t.Fatal(err)
	}
	sum, err := dirhash.HashZip(archive.Name(), dirhash.Hash1)
	if err != nil {
		t.Fatal(err)
	}
	modFile := filepath.Join(t.TempDir(), "go.mod")
	if err := os.WriteFile(modFile, []byte(mod), 0o644); err != nil {
		t.Fatal(err)
	}
	modSum, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) { return os.Open(modFile) })
	if err != nil {
		t.Fatal(err)
	}
	modules := t.TempDir()
	t.Cleanup(func() { // go makes its folders read-only
		filepath.WalkDir(modules, func(path string, d fs.DirEntry, err error) error { return os.Chmod(path, 0o755) })
	})
	t.Setenv("GOMODCACHE", modules)
	t.Setenv("GOPROXY", "file://"+proxy)
	t.Setenv("GONOSUMDB", "*")
	dir := writeSuite(t, map[string]string{"go.mod": "module x\n\ngo 1.26\n\nrequire example.com/y v1.2.3\n",
		"go.sum":    "example.com/y v1.2.3 " + sum + "\nexample.com/y v1.2.3/go.mod " + modSum + "\n",
		"x_test.go": strings.Replace(aTest, "import ", "import _ \"example.com/y\"\nimport ", 1)})
	suites := Suites{Cache: t.TempDir()}
	if _, err := suites.Digest(t.Context(), dir); err != nil {
		t.Error(err)
	}
	if err := suites.Compile(t.Context(), dir, filepath.Join(t.TempDir(), "x.test")); err != nil {
		t.Error(err)
	}
}
