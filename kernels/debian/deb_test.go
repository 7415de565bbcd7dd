package debian

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/modmatrix/modmatrix/results/slowtest"

	"github.com/modmatrix/modmatrix/kernels"
)

// TestDebIsTheNewestOfItsSuite asks for a package that a suite and its security suite have, and for one that neither has.
func TestDebIsTheNewestOfItsSuite(t *testing.T) {
	slowtest.Skip(t)
	a := twoSuites(t)
	conf := "/usr/src/foo-1/dkms.conf"
	a.add("bookworm", deb{"foo-dkms", "1-1", "all", "dkms", map[string]string{conf: "old"}})
	a.add("bookworm-security", deb{"foo-dkms", "1-1+deb12u1", "all", "dkms", map[string]string{conf: "new"}})
	a.publish()
	s := a.source()
	d, err := s.Deb(t.Context(), "bookworm", "foo-dkms")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(d.Dir, conf))
	if err != nil || string(text) != "new" || d.Version != "1-1+deb12u1" || d.Arch != "all" {
		t.Errorf("%+v %q %v", d, text, err)
	}
	if sum, err := kernels.FileSHA256(d.File); err != nil || sum != d.SHA256 {
		t.Errorf("the file is not the one of the index: %s %v", sum, err)
	}
	if err := os.RemoveAll(filepath.Join(a.dir, "pool")); err != nil {
		t.Fatal(err)
	}
	if again, err := s.Deb(t.Context(), "bookworm", "foo-dkms"); err != nil || again.File != d.File {
		t.Errorf("it is not taken from the store: %+v %v", again, err)
	}
	if _, err := s.Deb(t.Context(), "bookworm", "bar-dkms"); !errors.Is(err, kernels.ErrNoMatch) {
		t.Errorf("no such package: %v", err)
	}
}

// TestDebIsTheOneThatWasSigned changes the package on its way.
func TestDebIsTheOneThatWasSigned(t *testing.T) {
	a := twoSuites(t)
	a.add("bookworm", deb{"foo-dkms", "1-1", "all", "", map[string]string{"/usr/src/foo-1/dkms.conf": "PACKAGE_NAME=foo"}})
	a.publish()
	s := a.source()
	if _, err := s.Resolve(t.Context(), selector(t, "debian:bookworm")); err != nil {
		t.Fatal(err)
	}
	a.spoil("pool/foo-dkms_1-1_all.deb", "PACKAGE_NAME=foo", "PACKAGE_NAME=bar")
	if d, err := s.Deb(t.Context(), "bookworm", "foo-dkms"); !errors.Is(err, kernels.ErrUnavailable) {
		t.Errorf("a spoilt package is taken: %+v %v", d, err)
	}
	nothingLeft(t, s)
}
