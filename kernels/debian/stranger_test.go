package debian

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// TestAFolderOfAStrangerIsNoStateOfApt gives targets whose suite leads to a folder with an apt.conf of its own.
func TestAFolderOfAStrangerIsNoStateOfApt(t *testing.T) {
	dir := t.TempDir()
	st, err := store.Open(filepath.Join(dir, "cache"))
	if err != nil {
		t.Fatal(err)
	}
	evil := filepath.Join(dir, "evil")
	if err := os.Mkdir(evil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(evil, "apt.conf"), []byte("APT::Stranger \"obeyed\";\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := store.WriteJSON(filepath.Join(evil, "stamp.json"), stamp{Updated: time.Now(), Form: stampForm}); err != nil {
		t.Fatal(err)
	}
	s := New(st, Config{Offline: true})
	const name = "../../evil"
	said, err := s.state(name, build).apt(t.Context(), "apt-config", "dump")
	if err != nil || !strings.Contains(said, "APT::Stranger") || s.state(name, build).stamp().Updated.IsZero() {
		t.Fatalf("the control: apt does not obey the folder: %v", err)
	}
	target := kernels.Target{Release: "6.1.0-56-amd64", Source: "debian:" + name, Suite: "bookworm", RootPkgs: []string{"gcc-12"},
		Packages: []kernels.Package{{Name: "linux-image-6.1.0-56-amd64", Version: "6.1.192-2", Arch: "amd64", SHA256: strings.Repeat("0a", 32)}}}
	if notice := s.Gone(t.Context(), target); notice != "" {
		t.Errorf("gone: %s", notice)
	}
	if _, err := s.Fetch(t.Context(), target, nil); err == nil || !strings.Contains(err.Error(), "source") {
		t.Errorf("fetched: %v", err)
	}
	if _, err := s.Resolve(t.Context(), kernels.Selector{Source: "debian", Name: name}); err == nil || !strings.Contains(err.Error(), "no suite") {
		t.Errorf("resolved: %v", err)
	}
	if _, err := s.Deb(t.Context(), name, "dkms"); err == nil || !strings.Contains(err.Error(), "no suite") {
		t.Errorf("a package: %v", err)
	}
	if left, _ := os.ReadDir(evil); len(left) != 2 {
		t.Errorf("the folder was written to: %v", left)
	}
}

// TestNoOptionReachesApt gives names of packages that apt or mmdebstrap would take for something else.
func TestNoOptionReachesApt(t *testing.T) {
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := New(st, Config{Offline: true})
	for _, c := range []struct{ suite, pkg string }{{"bookworm", "?essential"}, {"bookworm", "x,y"}, {"bookworm", "-oa=b"}, {"bookworm", "./x.deb"}, {"--hook-dir=/x", "gcc"}} {
		if _, err := s.Root(t.Context(), c.suite, []string{c.pkg}, nil); err == nil || !strings.Contains(err.Error(), " of Debian") {
			t.Errorf("%s %s: %v", c.suite, c.pkg, err)
		}
	}
}
