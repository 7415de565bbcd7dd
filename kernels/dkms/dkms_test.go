package dkms

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/slowtest"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

const testRelease = "6.1.0-56-cloud-amd64" // of kbuild's testdata/hello.ko

// source writes a source: file name to content. Names that end in "*" are executable.
func source(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		mode := os.FileMode(0o644)
		if bare, ok := strings.CutSuffix(name, "*"); ok {
			name, mode = bare, 0o755
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// fakeTree is a kernel in the host's own root: its build system runs the script named build of the package, and it has a
// configuration to ask.
func fakeTree(t testing.TB) *kernels.Tree {
	t.Helper()
	dir := source(t, map[string]string{
		"Makefile": "all modules:\n\t@sh $(M)/build\n", "include/config/auto.conf": "CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=\"x\"\n",
		".config": "CONFIG_A=y\nCONFIG_FROM_DOT_CONFIG=y\n",
	})
	kdir := "/lib/modules/" + testRelease + "/build"
	return &kernels.Tree{
		Target: kernels.Target{Release: testRelease, Arch: "x86_64"},
		KDIR:   kdir, Mounts: []kernels.Mount{{Host: dir, Guest: kdir}},
	}
}

// hello is the bytes of a module for testRelease.
func hello(t testing.TB) string {
	t.Helper()
	ko, err := os.ReadFile("../kbuild/testdata/hello.ko")
	if err != nil {
		t.Fatal(err)
	}
	return string(ko)
}

const goodConf = `PACKAGE_NAME="hello"
PACKAGE_VERSION="1.0"
BUILT_MODULE_NAME[0]="hello"
DEST_MODULE_LOCATION[0]="/extra"
`

// open opens a folder that must be right.
func open(t testing.TB, dir string) *Package {
	t.Helper()
	p, err := Open(t.Context(), dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// build builds a folder, and shows the log if the test fails.
func build(t *testing.T, dir string) (*kbuild.Artifact, string, error) {
	t.Helper()
	var log bytes.Buffer
	a, err := Build(t.Context(), Request{Tree: fakeTree(t), Package: open(t, dir), Dir: t.TempDir(), Jobs: 3, Log: &log})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("error: %v\n%s", err, log.String())
		}
	})
	return a, log.String(), err
}

func TestBuild(t *testing.T) {
	slowtest.Skip(t)
	const at = "/var/lib/dkms/hello/1.0/build"
	for name, test := range map[string]struct {
		files map[string]string
		says  []string // lines of the log
		notes string
	}{
		"generic make": {map[string]string{"dkms.conf": goodConf, "build": "cd $0/.. 2>/dev/null; cd " + at + "; cp hello.bin hello.ko"},
			[]string{"# command:  make -j3 KERNELRELEASE=" + testRelease + " -C /lib/modules/" + testRelease + "/build M=" + at}, ""},
		"own make": {map[string]string{"dkms.conf": goodConf + "MAKE=\"'make' -f mk R=$kernelver S=\\$kernelver\"\nBUILT_MODULE_LOCATION=out\nBUILT_MODULE_NAME=world",
			"mk": "all:\n\t@echo $(R) $(S) $(KERNELRELEASE) in $(CURDIR); mkdir out; cp hello.bin out/world.ko\n"},
			[]string{testRelease + " " + testRelease + " in " + at}, ""},
		"scripts": {map[string]string{"dkms.conf": goodConf + "MAKE='./do it'\nPRE_BUILD=\"scripts/pre a $kernelver\"\nPOST_BUILD=post\nPOST_INSTALL=x\n",
			"do*": "#!/bin/sh\necho do $1; cp hello.bin hello.ko", "scripts/pre*": "#!/bin/sh\necho pre $1 $2 $PWD", "post": "#!/bin/sh\necho post"},
			[]string{"pre a " + testRelease + " " + at, "do it", "warning: " + at + "/post is not executable, so dkms does not run it"},
			"POST_INSTALL is not run: nothing is installed here|POST_BUILD is not run: post is not executable, and dkms only warns of it"},
		"patches": {map[string]string{"dkms.conf": goodConf + "MAKE='sh do'\nPATCH[0]=one.diff\nPATCH[1]=two.diff\nPATCH_MATCH[1]=^5\n", "do": "echo old\n",
			"patches/one.diff": "--- a/do\n+++ b/do\n@@ -1 +1,2 @@\n-echo old\n+echo new\n+cp hello.bin hello.ko\n", "patches/two.diff": "nonsense"},
			[]string{"new"}, ""},
		"what dkms adds": {map[string]string{"dkms.conf": goodConf + "MAKE=\"make_it.sh 2>&1; cp hello.bin hello.ko\"\n"},
			[]string{"# command:  make -j3 KERNELRELEASE=" + testRelease + "_it.sh 2>&1; cp hello.bin hello.ko"}, ""},
		"what was built is kept": {map[string]string{"dkms.conf": goodConf + "MAKE='cp hello.bin hello.ko; touch Module.symvers'\nDEST_MODULE_NAME=hi\nPOST_BUILD=\"post $dkms_tree/hello/1.0/$kernelver/$arch\"\n",
			"post*": "#!/bin/sh -e\ncp hello.bin $1/more\ncd $1/module\necho kept *"}, []string{"kept Module.symvers hi.ko"}, ""},
		"the source is there": {map[string]string{"dkms.conf": goodConf + "MAKE='cp /usr/src/hello-1.0/hello.bin hello.ko; touch /usr/src/hello-1.0/x; cat /var/lib/dkms/hello/1.0/source/note'\n",
			"note": "a note\n"}, []string{"a note"}, ""},
		"the source is a copy": {map[string]string{"dkms.conf": goodConf + "PRE_BUILD=pre\nMAKE='cp hello.bin hello.ko; cat $source_tree/hello-1.0/note'\n",
			"pre*": "#!/bin/sh -e\ncd /usr/src/hello-1.0\necho mine >note\ntouch new\nmkdir d; chmod 0 d", "note": "a note\n"}, []string{"mine"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			test.files["hello.bin"] = hello(t)
			dir := source(t, test.files)
			a, log, err := build(t, dir)
			if err != nil {
				t.Fatal(err)
			}
			for name, text := range test.files {
				if now, _ := os.ReadFile(filepath.Join(dir, strings.TrimSuffix(name, "*"))); string(now) != text {
					t.Errorf("the build changed %s in the source", name)
				}
			}
			if len(a.Modules) != 1 || a.Modules[0].Name != "hello" || strings.Join(a.Notes, "|") != test.notes {
				t.Errorf("artifact %+v", a)
			}
			for _, line := range test.says {
				if !strings.Contains(log, "\n"+line+"\n") {
					t.Errorf("log lacks %q", line)
				}
			}
		})
	}
}

// TestBuildOddNames builds a folder, and the same out of an archive, with blanks in names, links in it and a file that would run as root.
func TestBuildOddNames(t *testing.T) {
	conf := goodConf + "MAKE=\"cd 'a folder'; test -L link -a -x run -a ! -u run && cat link && cp ../hello.bin ../hello.ko\"\n"
	members := []member{{name: "my driver/dkms.conf", text: conf}, {name: "my driver/hello.bin", text: hello(t)}, {name: "my driver/a folder/a file", text: "in the file\n"},
		{name: "my driver/a folder/link", kind: tar.TypeSymlink, link: "a file"}, {name: "my driver/a folder/run", text: "x", mode: 0o4755}}
	packed, err := Open(t.Context(), file(t, "a driver.tar", archive(t, members...)), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(packed.Source, "a folder/run"), 0o755|os.ModeSetuid); err != nil { // as a folder may hold it
		t.Fatal(err)
	}
	for _, p := range []*Package{packed, open(t, packed.Source)} {
		var log bytes.Buffer
		a, err := Build(t.Context(), Request{Tree: fakeTree(t), Package: p, Dir: t.TempDir(), Log: &log})
		if err != nil || len(a.Modules) != 1 || !strings.Contains(log.String(), "\nin the file\n") {
			t.Errorf("%s: %+v, %v\n%s", p.Kind, a, err, &log)
		}
	}
}

func TestBuildFaults(t *testing.T) {
	slowtest.Skip(t)
	for name, test := range map[string]struct {
		conf  string
		files map[string]string
		want  string
	}{
		"excluded":       {"BUILD_EXCLUSIVE_KERNEL='^7'\n", nil, "excluded: BUILD_EXCLUSIVE_KERNEL is ^7, which " + testRelease + " does not match"},
		"config":         {"BUILD_EXCLUSIVE_CONFIG='CONFIG_A !CONFIG_B'\n", nil, "excluded: BUILD_EXCLUSIVE_CONFIG is CONFIG_A !CONFIG_B, and CONFIG_B is set"},
		"no patch":       {"PATCH=gone\n", nil, "build-error: PATCH gone is not in the folder patches"},
		"patch way out":  {"PATCH=../gone\n", nil, "build-error: PATCH ../gone contains '..'"},
		"patch fails":    {"PATCH=bad\n", map[string]string{"patches/bad": "--- a/do\n+++ b/do\n@@ -1 +1 @@\n-a\n+b\n", "do": "c\n"}, "build-error: patch bad failed with exit code 1: 1 out of 1 hunk FAILED -- saving rejects to file do.rej"},
		"pre fails":      {"PRE_BUILD=pre\n", map[string]string{"pre*": "#!/bin/sh\necho no libfoo here >&2; exit 9"}, "build-error: PRE_BUILD pre failed with exit code 9: no libfoo here"},
		"post fails":     {"MAKE='cp hello.bin hello.ko'\nPOST_BUILD=post\n", map[string]string{"post*": "#!/bin/sh\nexit 9"}, "build-error: POST_BUILD post failed with exit code 9"},
		"pre says no":    {"PRE_BUILD=pre\n", map[string]string{"pre*": "#!/bin/sh\necho no libfoo here >&2; exit 77"}, "excluded: PRE_BUILD pre failed with exit code 77: no libfoo here"},
		"make says 77":   {"MAKE='exit 77'\n", nil, "build-error: make ended with exit code 77 and said nothing"},
		"make fails":     {"MAKE='echo a.c:3:1: error: no; false'\n", map[string]string{"a.c": ""}, "build-error: a.c:3: no"},
		"missing":        {"MAKE=true\n", nil, "ko-missing: hello.ko was not built, though the package lists it"},
		"lost exit code": {"MAKE='echo a.c:3:1: error: no | cat'\n", map[string]string{"a.c": ""}, "ko-missing: hello.ko was not built, though the package lists it; make's exit code was lost: a.c:3: no"},
		"uname":          {"MAKE='make -C /lib/modules/5.9.0/build'\n", nil, "build-error: the Makefile ignores the kernel it is given, e.g. by `uname -r`: it looks for /lib/modules/5.9.0/build"},
		"other kernel": {"MAKE='sed s/vermagic=6.1.0/vermagic=6.1.9/ hello.bin >hello.ko'\n", nil,
			"vermagic-mismatch: hello.ko was built for 6.1.9-56-cloud-amd64, not for 6.1.0-56-cloud-amd64: its Makefile ignores the kernel it is given, e.g. by `uname -r`"},
		"bad conf":   {"AUTOINSTALL=1\nDEST_MODULE_LOCATION=/lib\n", nil, "build-error: dkms.conf: DEST_MODULE_LOCATION does not begin with /kernel, /updates or /extra in record #0 (and 1 more)"},
		"no modules": {"unset BUILT_MODULE_NAME DEST_MODULE_LOCATION\nMAKE=true\n", nil, "ko-missing: no module was built: the package names none"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"dkms.conf": goodConf + test.conf, "hello.bin": hello(t)}
			for name, text := range test.files {
				files[name] = text
			}
			_, _, err := build(t, source(t, files))
			skip, fault := (*SkipError)(nil), (*kbuild.Error)(nil)
			if !errors.As(err, &skip) && !errors.As(err, &fault) || err.Error() != test.want {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestOrder(t *testing.T) {
	for name, test := range map[string]struct {
		depends              map[string][]string
		order, missing, fail string
	}{
		"none":    {nil, "", "", ""},
		"chain":   {map[string][]string{"a": {"b"}, "b": {"c"}, "c": nil}, "c b a", "", ""},
		"diamond": {map[string][]string{"a": {"c", "b"}, "b": {"d"}, "c": {"d"}, "d": nil}, "d b c a", "", ""},
		"missing": {map[string][]string{"a": {"x", "b"}, "b": {"x"}}, "b a", "x", ""},
		"self":    {map[string][]string{"a": {"a"}}, "", "", "BUILD_DEPENDS goes round in a circle: a needs a"},
		"circle":  {map[string][]string{"a": {"b"}, "b": {"c"}, "c": {"b"}}, "", "", "BUILD_DEPENDS goes round in a circle: b needs c needs b"},
	} {
		order, missing, err := Order(test.depends)
		if strings.Join(order, " ") != test.order || strings.Join(missing, " ") != test.missing {
			t.Errorf("%s: %v, %v", name, order, missing)
		}
		if got := errors.Join(err); (got == nil) != (test.fail == "") || got != nil && got.Error() != test.fail {
			t.Errorf("%s: %v", name, err)
		}
	}
}
