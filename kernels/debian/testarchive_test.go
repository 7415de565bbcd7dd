package debian

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// archive is a small signed archive on loopback, read by the real apt. The root's tools are fakes: mmdebstrap and bwrap are
// scripts that note how they were called.
type archive struct {
	t       *testing.T
	dir     string
	keyring string
	gpgHome string
	debs    map[string][]deb // by suite
	URL     string
	server  *httptest.Server
	serve   atomic.Pointer[http.HandlerFunc] // instead of the files, where set
	hits    atomic.Int32
}

type deb struct {
	name, version, arch, depends string
	files                        map[string]string
}

// shared is what all tests have in common: to make a key and packages takes longer than most of what is tested.
var shared struct {
	key, packages, indices sync.Once
	gpgHome                string
	dir                    string           // of the files of twoSuites
	debs                   map[string][]deb // of these
	apt, url, store        string           // what apt made of them, from which address, in which store
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.gpgHome != "" {
		_ = exec.Command("gpgconf", "--homedir", shared.gpgHome, "--kill", "all").Run()
	}
	_ = errors.Join(os.RemoveAll(shared.gpgHome), os.RemoveAll(shared.dir), os.RemoveAll(shared.apt))
	os.Exit(code)
}

// signer returns the key that signs archives, and the keyring that has it.
func signer(t *testing.T) (home, keyring string) {
	t.Helper()
	shared.key.Do(func() {
		var err error // gpg's agent makes a socket below its home, whose path must be short
		if shared.gpgHome, err = os.MkdirTemp("", "gpg"); err != nil {
			t.Fatal(err)
		}
		a := &archive{t: t, gpgHome: shared.gpgHome}
		a.gpg("--quick-gen-key", "test", "rsa2048", "sign", "never")
		a.gpg("--output", filepath.Join(shared.gpgHome, "keyring.gpg"), "--export", "test")
	})
	return shared.gpgHome, filepath.Join(shared.gpgHome, "keyring.gpg")
}

// twoSuites is an archive with a release, its security suite, empty updates, and backports of the new layout.
func twoSuites(t *testing.T) *archive {
	t.Helper()
	a := newArchive(t)
	shared.packages.Do(func() {
		a.kernel("bookworm", "6.1.0-50-amd64", "6.1.176-1")
		a.meta("bookworm", "6.1.0-50-amd64", "6.1.176-1")
		a.add("bookworm", deb{"libelf1", "0.188-2", "amd64", "", nil})
		a.kernel("bookworm-security", "6.1.0-56-amd64", "6.1.192-2")
		a.meta("bookworm-security", "6.1.0-56-amd64", "6.1.192-2")
		a.kernel("bookworm-backports", "7.2.12+deb12-amd64", "7.2.12-1~bpo12+1")
		a.meta("bookworm-backports", "7.2.12+deb12-amd64", "7.2.12-1~bpo12+1")
		a.add("bookworm-updates") // where a suite is missing, apt is run again without it
		a.publish()
		var err error
		if shared.dir, err = os.MkdirTemp(filepath.Dir(shared.gpgHome), "modmatrix-archive"); err == nil {
			err = os.CopyFS(shared.dir, os.DirFS(a.dir))
		}
		if err != nil {
			t.Fatal(err)
		}
		shared.debs = maps.Clone(a.debs)
	})
	if err := os.CopyFS(a.dir, os.DirFS(shared.dir)); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	for suite, debs := range shared.debs {
		a.debs[suite] = slices.Clone(debs)
	}
	return a
}

// without takes a suite out of the archive.
func (a *archive) without(suite string) {
	a.t.Helper()
	delete(a.debs, suite)
	if err := os.RemoveAll(filepath.Join(a.dir, "dists", suite)); err != nil {
		a.t.Fatal(err)
	}
}

func newArchive(t *testing.T) *archive {
	t.Helper()
	for _, tool := range []string{"apt-get", "dpkg-deb", "gpg"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("a signed archive needs %s on the host: %v", tool, err)
		}
	}
	home, keyring := signer(t)
	a := &archive{t: t, dir: t.TempDir(), gpgHome: home, keyring: keyring, debs: map[string][]deb{}}
	files := http.FileServer(http.Dir(a.dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.hits.Add(1)
		if h := a.serve.Load(); h != nil {
			(*h)(w, r)
			return
		}
		r.Header.Del("If-Modified-Since") // files of one second look the same
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	a.server, a.URL = server, server.URL
	fakeTools(t)
	return a
}

func (a *archive) gpg(args ...string) {
	a.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", a.gpgHome, "--batch", "--yes", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		a.t.Fatalf("gpg: %v\n%s", err, out)
	}
}

// source is a Source of its own store that reads this archive.
func (a *archive) source() *Source {
	a.t.Helper()
	st, err := store.Open(filepath.Join(a.t.TempDir(), "store"))
	if err != nil {
		a.t.Fatal(err)
	}
	return New(st, Config{Mirror: a.URL, SecurityMirror: a.URL, Keyring: a.keyring})
}

// warm is a source that has read the indices of twoSuites: apt did once, and its state is copied and says where it is now.
func (a *archive) warm() *Source {
	a.t.Helper()
	s := a.source()
	shared.indices.Do(func() {
		for _, text := range []string{"debian:bookworm", "debian:bookworm-backports"} {
			resolved(a.t, s, text)
		}
		shared.url, shared.store = a.URL, s.store.Dir()
		var err error
		if shared.apt, err = os.MkdirTemp(filepath.Dir(shared.gpgHome), "modmatrix-apt"); err == nil {
			err = os.CopyFS(shared.apt, os.DirFS(filepath.Join(s.store.Dir(), "apt")))
		}
		if err != nil {
			a.t.Fatal(err)
		}
	})
	host := func(url string) string { return strings.TrimPrefix(url, "http://") }
	moved := strings.NewReplacer(host(shared.url), host(a.URL), shared.store, s.store.Dir())
	err := fs.WalkDir(os.DirFS(shared.apt), ".", func(path string, d fs.DirEntry, err error) error {
		to := filepath.Join(s.store.Dir(), "apt", moved.Replace(path))
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(to, 0o755))
		}
		data, err := os.ReadFile(filepath.Join(shared.apt, path))
		return errors.Join(err, os.WriteFile(to, []byte(moved.Replace(string(data))), 0o644))
	})
	for _, name := range []string{"bookworm", "bookworm-backports"} { // what the host wants of apt may be another's wish now
		err = errors.Join(err, s.state(name, build).configure(a.t.Context()))
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return s
}

func (a *archive) add(suite string, debs ...deb) { a.debs[suite] = append(a.debs[suite], debs...) }

// kernel adds a kernel's packages to suite, laid out as Debian does: whole until 7.0, split from then on.
func (a *archive) kernel(suite, release, version string) {
	upstream, _, _ := strings.Cut(version, "-")
	abi := strings.TrimSuffix(release, "-amd64")
	exact := " (= " + version + ")"
	headers := "/usr/src/linux-headers-" + release
	a.add(suite,
		deb{"linux-headers-" + release, version, "amd64", "gcc-12-for-host, linux-base (>= 4), linux-headers-" + abi + "-common" + exact + ", linux-kbuild-" + abi,
			map[string]string{headers + "/Makefile": "include", headers + "/.config": "CONFIG_A=y\n", "/usr/share/doc/x/copyright": "junk"}},
		deb{"linux-headers-" + abi + "-common", version, "all", "", map[string]string{"/usr/src/linux-headers-" + abi + "-common/Makefile": "all:"}},
		deb{"linux-kbuild-" + abi, version, "amd64", "libelf1 (>= 0.1)", map[string]string{"/usr/lib/linux-kbuild-" + abi + "/scripts/modpost": "#!"}})
	if !kernels.VersionMatches("7", upstream) {
		a.add(suite, deb{"linux-image-" + release, version, "amd64", "kmod, linux-base (>= 4) | x", map[string]string{
			"/boot/vmlinuz-" + release: "image " + version, "/boot/config-" + release: "CONFIG_A=m\n",
			"/lib/modules/" + release + "/kernel/virtio.ko": "ELF", "/lib/modules/" + release + "/modules.builtin": "kernel/tty.ko\n"}})
		return
	}
	own := "/usr/lib/modules/" + release
	a.add(suite,
		deb{"linux-image-" + release, version, "amd64", "dracut | x, linux-base-" + release + exact + ", linux-binary-" + release + exact + ", linux-modules-" + release + exact, nil},
		deb{"linux-base-" + release, version, "amd64", "", map[string]string{own + "/config": "CONFIG_A=m\n"}},
		deb{"linux-binary-" + release, version, "amd64", "linux-base-" + release + exact, map[string]string{own + "/vmlinuz": "image " + version}},
		deb{"linux-modules-" + release, version, "amd64", "kmod, linux-base-" + release + exact, map[string]string{own + "/kernel/virtio.ko": "ELF"}})
}

func (a *archive) meta(suite, release, version string) {
	a.add(suite, deb{"linux-image-amd64", version, "amd64", "linux-image-" + release + " (= " + version + ")", nil})
}

// publish builds the packages and writes the signed indices of all suites.
func (a *archive) publish() {
	a.t.Helper()
	for suite, debs := range a.debs {
		indices := map[string]string{"amd64": ""}
		for _, d := range debs {
			if d.arch != "all" {
				indices[d.arch] += a.build(d)
			}
		}
		for arch := range indices {
			for _, d := range debs {
				if d.arch == "all" {
					indices[arch] += a.build(d)
				}
			}
			a.write(filepath.Join(a.dir, "dists", suite, "main/binary-"+arch+"/Packages"), indices[arch])
		}
		a.sign(suite)
	}
}

func (a *archive) sign(suite string) {
	a.t.Helper()
	dists := filepath.Join(a.dir, "dists", suite)
	architectures, sums := "", ""
	files, _ := filepath.Glob(filepath.Join(dists, "main/binary-*/Packages"))
	for _, file := range files {
		index, err := os.ReadFile(file)
		if err != nil {
			a.t.Fatal(err)
		}
		name := filepath.Base(filepath.Dir(file))
		architectures += " " + strings.TrimPrefix(name, "binary-")
		sums += fmt.Sprintf(" %x %d main/%s/Packages\n", sha256.Sum256(index), len(index), name)
	}
	release := fmt.Sprintf("Origin: Debian\nSuite: %s\nCodename: %s\nArchitectures:%s\nComponents: main\nDate: %s\nSHA256:\n%s",
		suite, suite, architectures, time.Now().UTC().Format(time.RFC1123), sums)
	a.write(filepath.Join(dists, "Release"), release)
	a.gpg("--clearsign", "--output", filepath.Join(dists, "InRelease"), filepath.Join(dists, "Release"))
	if err := os.Remove(filepath.Join(dists, "Release")); err != nil {
		a.t.Fatal(err)
	}
}

// build makes d's file and returns its paragraph of the index.
func (a *archive) build(d deb) string {
	a.t.Helper()
	tree := a.t.TempDir()
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: test\n", d.name, d.version, d.arch)
	if d.depends != "" {
		control += "Depends: " + d.depends + "\n"
	}
	a.write(filepath.Join(tree, "DEBIAN/control"), control+"Description: test\n")
	for path, text := range d.files {
		a.write(filepath.Join(tree, path), text)
	}
	file := filepath.Join("pool", d.name+"_"+d.version+"_"+d.arch+".deb")
	full := filepath.Join(a.dir, file)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if _, err := os.Stat(full); err != nil {
		if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, full).CombinedOutput(); err != nil {
			a.t.Fatalf("dpkg-deb: %v\n%s", err, out)
		}
	}
	data, err := os.ReadFile(full)
	if err != nil {
		a.t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return control + fmt.Sprintf("Filename: %s\nSize: %d\nSHA256: %s\nDescription: test\n\n", file, len(data), hex.EncodeToString(sum[:]))
}

// spoil changes bytes of a file of the archive and keeps its size.
func (a *archive) spoil(path, from, to string) {
	a.t.Helper()
	full := filepath.Join(a.dir, path)
	data, err := os.ReadFile(full)
	if err != nil || !bytes.Contains(data, []byte(from)) || len(from) != len(to) {
		a.t.Fatal("cannot spoil", path, err)
	}
	a.write(full, string(bytes.Replace(data, []byte(from), []byte(to), 1)))
}

func (a *archive) write(path, text string) {
	a.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		a.t.Fatal(err)
	}
}
