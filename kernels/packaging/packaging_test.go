package packaging

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

const source = `// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Copyright (c) 2019-2024 A. Author */
#define VERSION "2.2"
MODULE_AUTHOR("A. Author <a@example.org>");
MODULE_DESCRIPTION("Drives the thing, "
	"and the other.");
MODULE_VERSION(VERSION);
MODULE_LICENSE("Dual MIT/GPL");
`

// files makes a folder of the files, whose names and texts alternate.
func files(t *testing.T, pairs ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "drv")
	for i := 0; i < len(pairs); i += 2 {
		at := filepath.Join(dir, pairs[i])
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(pairs[i+1]), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// request asks for a package of the module at dir.
func request(t *testing.T, kind Kind, dir string) Request {
	t.Helper()
	p, err := dkms.Open(t.Context(), dir, t.TempDir())
	if err == nil {
		err = p.Gather(t.Context(), nil, nil, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return Request{Kind: kind, Package: p, Title: "drv", Maintainer: "A. Packager <p@example.org>", Tool: "modmatrix test",
		Time: time.Unix(1700000000, 0), Work: t.TempDir(), Out: t.TempDir()}
}

// unpacked are the files of an archive that Make made, by their names.
func unpacked(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		data, readErr := io.ReadAll(r)
		if err := errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		all[h.Name] = string(data) + h.Linkname
		if h.ModTime.Unix() != 1700000000 || h.Uid != 0 || h.Uname != "root" {
			t.Errorf("%s: %v of %s", h.Name, h.ModTime, h.Uname)
		}
	}
}

func TestTarOfAModuleWithoutAConf(t *testing.T) {
	dir := files(t, "Makefile", "obj-m := my-drv.o sub/\n", "my-drv.c", source, "sub/Kbuild", "obj-m += b.o\n", "sub/b.c", "x", ".gitignore", "*.o")
	if err := os.Symlink("my-drv.c", filepath.Join(dir, "link.c")); err != nil {
		t.Fatal(err)
	}
	r := request(t, Tar, dir)
	r.Results = resultsOf("5.10.262=PASS 6.1.192=FAIL 7.3.4=PASS")
	made, err := Make(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if made.Name != "drv" || made.Version != "2.2" || made.Kernels.Min != "5.10" || made.Kernels.Max != "7.3" || len(made.Notes) != 2 {
		t.Errorf("%+v", made)
	}
	all := unpacked(t, made.File)
	if all["./dkms_main_tree/dkms_dbversion"] != "2.0.0\n" || all["./dkms_source_tree/sub/b.c"] != "x" || all["./dkms_source_tree/link.c"] != "my-drv.c" || len(all) != 10 {
		t.Errorf("%q", all)
	}
	want := `PACKAGE_NAME="drv"
PACKAGE_VERSION="2.2"
MAKE[0]="make -C ${kernel_source_dir} M=${dkms_tree}/${PACKAGE_NAME}/${PACKAGE_VERSION}/build modules"
BUILT_MODULE_NAME[0]="my-drv"
DEST_MODULE_LOCATION[0]="/updates/dkms"
BUILT_MODULE_NAME[1]="b"
BUILT_MODULE_LOCATION[1]="sub/"
DEST_MODULE_LOCATION[1]="/updates/dkms"
AUTOINSTALL="yes"

# As measured: kernels 5.10 to 7.3, not 6.1. The pattern says it to dkms before 3.0.11.
BUILD_EXCLUSIVE_KERNEL_MIN[0]="5.10"
BUILD_EXCLUSIVE_KERNEL_MAX[0]="7.3.999"
BUILD_EXCLUSIVE_KERNEL="^(5[.][1-9][0-9]|6[.]([02-9]|[1-9][0-9])|7[.][0-3])[.]"
`
	if got := all["./dkms_source_tree/dkms.conf"]; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	again := request(t, Tar, dir)
	again.Results = r.Results
	if second, err := Make(t.Context(), again); err != nil || second.SHA256 != made.SHA256 {
		t.Errorf("the same source gave %s and %s, %v", made.SHA256, second.SHA256, err)
	}
}

// What was loaded in a run decides which of the modules that a Makefile names are there.
func TestModulesThatNoRunBuiltAreLeftOut(t *testing.T) {
	r := request(t, Tar, files(t, "Makefile", "obj-m := a.o\nobj-$(CONFIG_NONE) += b.o\n", "a.c", source))
	r.Results = resultsOf("6.1.192=PASS")
	r.Results.Records[0].Loaded = []string{"a"}
	made, err := Make(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if conf := unpacked(t, made.File)["./dkms_source_tree/dkms.conf"]; !strings.Contains(conf, `NAME[0]="a"`) || strings.Contains(conf, `"b"`) {
		t.Error(conf)
	}
}

func TestWhatNobodySaidIsNamedWithItsCure(t *testing.T) {
	conf := "PACKAGE_NAME=x\nPACKAGE_VERSION=1\nDEST_MODULE_LOCATION=/updates\n"
	for name, test := range map[string]struct {
		pairs  []string
		change func(*Request)
		want   string
	}{
		"version":      {[]string{"a.c", `MODULE_LICENSE("GPL");`}, nil, "the source has no MODULE_VERSION, and a package has a version: --package-version VERSION"},
		"licence":      {[]string{"a.c", `MODULE_VERSION("1");`}, nil, "the source says not in plain text how it is licensed"},
		"maintainer":   {[]string{"a.c", source}, func(r *Request) { r.Kind, r.Maintainer = Deb, "" }, "nobody is named as the maintainer of the package: --maintainer"},
		"no mail":      {[]string{"a.c", source}, func(r *Request) { r.Kind, r.Maintainer = RPM, "A" }, `"A" is no maintainer: write it as 'Name <mail>'`},
		"a macro":      {[]string{"a.c", source}, func(r *Request) { r.Kind, r.Maintainer = RPM, "%(id) <a@b>" }, `is no maintainer`},
		"odd version":  {[]string{"a.c", source}, func(r *Request) { r.Version = "1 2" }, `"1 2" cannot be the version of a package`},
		"no pass":      {[]string{"a.c", source}, func(r *Request) { r.Results = resultsOf("6.1.1=FAIL") }, "no series of kernels passes in these results, so there is none to declare: mend the module"},
		"by make":      {[]string{"a.c", source, "Kbuild", "obj-m := $(shell ls)\n"}, nil, "says not in plain text which modules it builds: write a dkms.conf"},
		"another name": {[]string{"a.c", source, "dkms.conf", conf}, func(r *Request) { r.Version = "2" }, "says in plain text that it is x 1, not x 2"},
		"computed":     {[]string{"a.c", source, "dkms.conf", "PACKAGE_NAME=x\nPACKAGE_VERSION=$(date)\nDEST_MODULE_LOCATION=/updates\n"}, nil, "says in plain text that it is x (nothing), not x 2.2: packages are named by"},
		"files beside": {[]string{"a.c", source}, func(r *Request) { r.Package.Files.Folder = "drv" }, "refers to files beside its folder"},
	} {
		r := request(t, Tar, files(t, append([]string{"Makefile", "obj-m := a.o\n"}, test.pairs...)...))
		if test.change != nil {
			test.change(&r)
		}
		_, err := Make(t.Context(), r)
		var missing *MissingError
		var wrong *kbuild.SourceError
		if err == nil || !strings.Contains(err.Error(), test.want) || !errors.As(err, &missing) && !errors.As(err, &wrong) {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := os.ReadDir(r.Out); len(left) > 0 {
			t.Errorf("%s: %v was written", name, left)
		}
	}
}

// A dkms.conf of its own keeps what it says, and excludes what was measured besides.
func TestTheRangeInAConfOfItsOwn(t *testing.T) {
	head := "PACKAGE_NAME=x\r\nPACKAGE_VERSION=#MODULE_VERSION#\r\nDEST_MODULE_LOCATION=/updates\nBUILT_MODULE_NAME=a\n"
	for name, test := range map[string]struct{ conf, admits string }{
		"none":        {"", "5.10.0-46-amd64 6.12.1"},
		"a pattern":   {"BUILD_EXCLUSIVE_KERNEL='^(5|7)'\n", "5.10.0-46-amd64"},
		"a condition": {"[[ $kernelver == 6.12.* ]] && BUILD_EXCLUSIVE_KERNEL=none\n", "5.10.0-46-amd64"},
		"bounds":      {"BUILD_EXCLUSIVE_KERNEL_MIN=4.0\n", "5.10.0-46-amd64 6.12.1"},
	} {
		r := request(t, Tar, files(t, "Makefile", "obj-m := a.o\n", "a.c", source, "dkms.conf", head+test.conf))
		r.Results = resultsOf("5.10.262=PASS 6.1.192=FAIL 6.12.5=PASS")
		made, err := Make(t.Context(), r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if own := strings.Contains(strings.Join(made.Notes, "\n"), "of its own give way"); own != (name == "bounds") || made.Version != "2.2" {
			t.Errorf("%s: %+v", name, made)
		}
		conf := filepath.Join(t.TempDir(), "dkms.conf")
		if err := os.WriteFile(conf, []byte(unpacked(t, made.File)["./dkms_source_tree/dkms.conf"]), 0o644); err != nil {
			t.Fatal(err)
		}
		var admitted []string
		for _, release := range []string{"4.19.0", "5.10.0-46-amd64", "6.1.0-57-amd64", "6.12.1", "7.3.4"} {
			cmd := exec.Command("bash", "-c", `kernelver=$1; . "$2"; [[ ! $BUILD_EXCLUSIVE_KERNEL || $kernelver =~ $BUILD_EXCLUSIVE_KERNEL ]] && [[ $BUILD_EXCLUSIVE_KERNEL_MIN == 5.10 && $PACKAGE_VERSION == 2.2 ]]`, "bash", release, conf)
			if cmd.Run() == nil {
				admitted = append(admitted, release)
			}
		}
		if got := strings.Join(admitted, " "); got != test.admits {
			t.Errorf("%s: it admits %s, want %s", name, got, test.admits)
		}
	}
}

func treeOf(release string) *kernels.Tree {
	return &kernels.Tree{Target: kernels.Target{Release: release}, KDIR: "/usr/src/linux-headers-" + release}
}

func TestWhyNothingIsInstalled(t *testing.T) {
	in := Installation{Tree: treeOf("6.1.0-57-amd64"), Package: &dkms.Package{Name: "fifo", Version: "1.0"}}
	for said, want := range map[string]string{
		"dkms: 2.8.4\nError!  The /var/lib/dkms/x/dkms.conf for module x includes a BUILD_EXCLUSIVE directive which\ndoes not match this kernel/arch.\n": "excluded: the BUILD_EXCLUSIVE_… of the package, as dkms 2.8.4 reads them, exclude 6.1.0-57-amd64",
		"dkms-3.2.2\nCC [M] a.o\n/var/lib/dkms/fifo/1.0/build/fifo.c:7:3: error: too few arguments\nError! Bad return status for module build\n":         "fifo.c:7: too few arguments",
		"dkms-3.0.10\nError! nobody knows\n": "dkms installed nothing: Error! nobody knows",
	} {
		if got := in.fault([]byte(said), 10).Error(); !strings.Contains(got, want) {
			t.Errorf("%q\n got %s\nwant %s", said, got, want)
		}
	}
	var fault *kbuild.Error
	if err := in.fault([]byte("x.c:1:1: error: y\nfatal: No space left on device\n"), 10); errors.As(err, &fault) {
		t.Errorf("a full disk is the module's fault: %v", err)
	}
}

// A tool that does not exist, or fails, is named by what it said.
func TestATool(t *testing.T) {
	var said tail
	_, _ = said.Write([]byte(strings.Repeat("x", maxTail)))
	_, _ = said.Write([]byte("\ndh_dkms: error: cannot read\nmake: *** gone\n"))
	if got := said.last(); got != "dh_dkms: error: cannot read" {
		t.Error(got)
	}
	if _, err := made(t.TempDir(), "*.deb"); err == nil {
		t.Error("nothing is a package")
	}
	r := request(t, Tar, files(t, "Makefile", "obj-m := a.o\n", "a.c", source))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Make(ctx, r); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
