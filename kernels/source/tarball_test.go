package source

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
)

func TestMakefileIn(t *testing.T) {
	for _, how := range []string{"", "gz", "xz", "zst"} {
		head, err := makefileIn(t.Context(), bytes.NewReader(pack(t, how, tarOf(t, fakeKernel))))
		if err != nil || !strings.HasPrefix(string(head), "VERSION = 6\n") || len(head) > headSize {
			t.Errorf("%q: %q, %v", how, head, err)
		}
	}
}

// TestHostileTarballs: whatever an archive holds, nothing appears outside of its folder.
func TestHostileTarballs(t *testing.T) {
	outside := t.TempDir()
	file := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644} }
	link := func(name, to string) tar.Header {
		return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink, Mode: 0o777}
	}
	for name, tt := range map[string]struct {
		extra  []tar.Header
		refuse bool
	}{
		"upwards":            {[]tar.Header{file("linux-6.12.3/../../../../../.." + outside + "/planted")}, true},
		"absolute":           {[]tar.Header{file(outside + "/planted")}, false},
		"through a link":     {[]tar.Header{link("linux-6.12.3/l", outside), file("linux-6.12.3/l/planted")}, true},
		"through two links":  {[]tar.Header{link("linux-6.12.3/l", ".."), link("linux-6.12.3/m", "l/.."), file("linux-6.12.3/m/planted")}, true},
		"a hard link to out": {[]tar.Header{{Name: "linux-6.12.3/h", Linkname: "/etc/passwd", Typeflag: tar.TypeLink}}, true},
		"a device":           {[]tar.Header{{Name: "linux-6.12.3/dev", Typeflag: tar.TypeBlock, Devmajor: 8, Mode: 0o666}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			work := t.TempDir()
			path := put(t, filepath.Join(t.TempDir(), "x.tar"), tarOf(t, fakeKernel, tt.extra...))
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			known, err := readTarball(t.Context(), path, info)
			if err != nil {
				t.Fatal(err)
			}
			b := box{linux: filepath.Join(work, "linux")}
			if err := os.Mkdir(b.linux, 0o755); err != nil {
				t.Fatal(err)
			}
			log := &buildLog{out: &bytes.Buffer{}, report: func(kernels.Progress) {}}
			err = origin{kind: "tar", path: path, sha256: known.SHA256}.unpack(t.Context(), b, log)
			if tt.refuse != (err != nil) {
				t.Errorf("refused: %v (%s)", err, log.said())
			}
			for _, dir := range []string{outside, work} {
				entries, _ := os.ReadDir(dir)
				for _, e := range entries {
					if e.Name() != "linux" {
						t.Errorf("%s appeared in %s", e.Name(), dir)
					}
				}
			}
		})
	}
	early := tarOf(t, nil, file("../linux/a"), file("linux/Makefile"))
	if _, err := makefileIn(t.Context(), bytes.NewReader(early)); err == nil || !strings.Contains(err.Error(), "outside of its folder") {
		t.Error(err)
	}
}

func TestAChangedTarballIsNoticed(t *testing.T) {
	s, store := newSource(t)
	path := put(t, filepath.Join(t.TempDir(), "x.tar"), tarOf(t, fakeKernel))
	res, err := s.Resolve(t.Context(), kernels.Selector{Source: "tar", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, tarOf(t, with("init/main.c", "other")))
	if _, err := s.Fetch(t.Context(), res.Targets[0], nil); err == nil || !strings.Contains(err.Error(), "changed since it was resolved") {
		t.Error(err)
	}
	noTemps(t, store)
	again, err := s.Resolve(t.Context(), kernels.Selector{Source: "tar", Name: path})
	if err != nil || again.Targets[0].Packages[0].SHA256 == res.Targets[0].Packages[0].SHA256 {
		t.Error("resolved from memory:", err)
	}
}

func FuzzMakefileIn(f *testing.F) {
	f.Add([]byte("\x1f\x8b and no more"))
	f.Add([]byte("\xfd7zXZ\x00"))
	f.Add([]byte("BZh91AY"))
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: "linux/Makefile", Size: 3, Typeflag: tar.TypeReg, Mode: 0o644})
	_, _ = w.Write([]byte("VER"))
	_ = w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		head, err := makefileIn(context.Background(), bytes.NewReader(data))
		if err == nil && len(head) > headSize {
			t.Error("too much")
		}
	})
}

func TestWhole(t *testing.T) {
	s, _ := newSource(t)
	file := put(t, filepath.Join(t.TempDir(), "linux.tar.xz"), pack(t, "xz", tarOf(t, fakeKernel)))
	sel, err := kernels.ParseSelector("tar:" + file)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Resolve(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := s.Whole(t.Context(), res.Targets[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range fakeKernel {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s is not as it was packed: %v", name, err)
		}
	}
	if again, err := s.Whole(t.Context(), res.Targets[0], nil); err != nil || again != dir {
		t.Error("it was unpacked again:", again, err)
	}
	put(t, file, []byte("something else"))
	other := res.Targets[0]
	other.Packages = []kernels.Package{{Name: "linux", Version: "6.12.3", SHA256: strings.Repeat("0", 64)}}
	if _, err := s.Whole(t.Context(), other, nil); !errors.Is(err, kernels.ErrUnavailable) {
		t.Error("another file than was resolved is unpacked:", err)
	}
}
