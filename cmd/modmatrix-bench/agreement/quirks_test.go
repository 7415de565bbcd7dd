package agreement

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// quirkConf is a dkms.conf that builds hello.ko by copying it; a quirk adds to it.
const quirkConf = `PACKAGE_NAME="quirk"
PACKAGE_VERSION="1.0"
BUILT_MODULE_NAME[0]="hello"
DEST_MODULE_LOCATION[0]="/extra"
MAKE[0]="cp hello.bin hello.ko"
`

// quirks are packages of a few lines, one for each odd thing that a dkms.conf can ask for. Both sides must decide want: the real
// dkms keeps the list true.
var quirks = []struct {
	name, conf string
	files      map[string]string // a name that ends in * is executable
	want       Verdict
}{
	{"plain", "", nil, ok},
	{"pre fails", "PRE_BUILD=pre\n", map[string]string{"pre*": "#!/bin/sh\nexit 9"}, fail},
	{"pre says no", "PRE_BUILD=pre\n", map[string]string{"pre*": "#!/bin/sh\nexit 77"}, skip},
	{"pre is not executable", "PRE_BUILD=pre\n", map[string]string{"pre": "#!/bin/sh\nexit 9"}, ok},
	{"pre is not there", "PRE_BUILD=pre\n", nil, ok},
	{"pre with arguments", "PRE_BUILD='pre $kernelver 1'\n", map[string]string{"pre*": "#!/bin/sh\n[ $1 = RELEASE ] && [ $2 = 1 ]"}, ok},
	{"post fails", "POST_BUILD=post\n", map[string]string{"post*": "#!/bin/sh\nexit 9"}, fail},
	{"post says no", "POST_BUILD=post\n", map[string]string{"post*": "#!/bin/sh\nexit 77"}, skip},
	{"post finds the module", "DEST_MODULE_NAME=hi\nPOST_BUILD='post $dkms_tree/quirk/1.0/$kernelver/$arch'\n",
		map[string]string{"post*": "#!/bin/sh -e\ntest -e $1/module/hi.ko* && test -d $1/log && cp hello.bin $1/more"}, ok},
	{"make says 77", "MAKE='exit 77'\n", nil, fail},
	{"make fails", "MAKE='cp hello.bin hello.ko; false'\n", nil, fail},
	{"make loses its exit code", "MAKE='cp hello.bin hello.ko; false | cat'\n", nil, ok},
	{"make complains", "MAKE='echo a.c:3:1: error: no; cp hello.bin hello.ko'\n", nil, ok},
	{"no module", "MAKE=true\n", nil, fail},
	{"a module elsewhere", "MAKE='mkdir out; cp hello.bin out/hello.ko'\nBUILT_MODULE_LOCATION=out\n", nil, ok},
	{"a second module", "BUILT_MODULE_NAME[1]=b\nDEST_MODULE_LOCATION[1]=/extra\n", nil, fail},
	{"a second record without a place", "BUILT_MODULE_NAME[1]=b\n", nil, fail},
	{"twice the same module", "BUILT_MODULE_NAME[1]=hello\nDEST_MODULE_LOCATION[1]=/extra\n", nil, fail},
	{"a name with .ko", "BUILT_MODULE_NAME=hello.ko\n", nil, fail},
	{"a place of its own", "DEST_MODULE_LOCATION=/lib\n", nil, fail},
	{"the kernel's variables", "MAKE='test $kernelver = 6.1.0-56-cloud-amd64 -a -e $kernel_source_dir/Makefile -a $arch = x86_64; cp hello.bin hello.ko'\n", nil, ok},
	{"MAKE_MATCH fits", "MAKE[0]=false\nMAKE[1]='cp hello.bin hello.ko'\nMAKE_MATCH[1]='^6\\.1'\n", nil, ok},
	{"MAKE_MATCH does not fit", "MAKE[1]=false\nMAKE_MATCH[1]='^5'\n", nil, ok},
	{"the last MAKE_MATCH wins", "MAKE[1]=false\nMAKE_MATCH[1]='^6'\nMAKE[2]='cp hello.bin hello.ko'\nMAKE_MATCH[2]='cloud'\n", nil, ok},
	{"no patch", "PATCH=gone\n", nil, fail},
	{"a patch that leads out", "PATCH=../gone\n", nil, fail},
	{"a patch that fails", "PATCH=bad\n", map[string]string{"patches/bad": "--- a/do\n+++ b/do\n@@ -1 +1 @@\n-a\n+b\n", "do": "c\n"}, fail},
	{"a patch for another", "PATCH=gone\nPATCH_MATCH=^5\n", nil, ok},
	{"patches with a gap", "PATCH[2]=gone\n", nil, ok},
	{"KERNEL fits", "BUILD_EXCLUSIVE_KERNEL='^(5|6)\\.'\n", nil, ok},
	{"KERNEL does not fit", "BUILD_EXCLUSIVE_KERNEL='REQUIRES CONFIG_X'\n", nil, skip},
	{"KERNEL is no expression", "BUILD_EXCLUSIVE_KERNEL='('\n", nil, skip},
	{"MIN is below", "BUILD_EXCLUSIVE_KERNEL_MIN=6.1\n", nil, ok},
	{"MIN with two digits", "BUILD_EXCLUSIVE_KERNEL_MIN=6.10\n", nil, skip},
	{"MAX is the series", "BUILD_EXCLUSIVE_KERNEL_MAX=6.1\n", nil, skip},
	{"MAX is above", "BUILD_EXCLUSIVE_KERNEL_MAX=6.2\n", nil, ok},
	{"MAX with two digits", "BUILD_EXCLUSIVE_KERNEL_MAX=6.12\n", nil, ok},
	{"obsolete", "OBSOLETE_BY=6.1\n", nil, skip},
	{"obsolete, but for MAX", "OBSOLETE_BY=6.1\nBUILD_EXCLUSIVE_KERNEL_MAX=6.2\n", nil, ok},
	{"ARCH fits", "BUILD_EXCLUSIVE_ARCH='86'\n", nil, ok},
	{"ARCH does not fit", "BUILD_EXCLUSIVE_ARCH='^(aarch64|arm)'\n", nil, skip},
	{"CONFIG is set", "BUILD_EXCLUSIVE_CONFIG='CONFIG_PCI CONFIG_VIRTIO'\n", nil, ok},
	{"CONFIG is not set", "BUILD_EXCLUSIVE_CONFIG='CONFIG_PCI CONFIG_NOPE'\n", nil, skip},
	{"CONFIG is not unset", "BUILD_EXCLUSIVE_CONFIG='!CONFIG_PCI'\n", nil, skip},
	{"CONFIG without its prefix", "BUILD_EXCLUSIVE_CONFIG='PCI'\n", nil, skip},
	{"CONFIG is text", "BUILD_EXCLUSIVE_CONFIG='CONFIG_DEFAULT_HOSTNAME'\n", nil, skip},
	{"neither yes nor no", "AUTOINSTALL=maybe\n", nil, fail},
	{"yes as one likes", "AUTOINSTALL=YeS\nNO_WEAK_MODULES=no\n", nil, ok},
	{"ends the shell", "exit 0\n", nil, fail},
	{"no shell, from there on", "if then (\n", nil, ok},
	{"speaks", "echo BUILD_EXCLUSIVE_KERNEL=no\n", nil, ok},
	{"sources the configuration", "[ -f $kernel_source_dir/.config ] && . $kernel_source_dir/.config\n[ \"$CONFIG_PCI\" = y ] || BUILD_EXCLUSIVE_KERNEL=no\n", nil, ok},
	{"a function", "f() { BUILD_EXCLUSIVE_KERNEL=no; }\ncase $kernelver in 6.1.*) f ;; esac\n", nil, skip},
	{"runs of blanks", "MAKE=\"[ 'a  b' = 'a b' ] && cp hello.bin hello.ko\"\n", nil, ok},
	{"lines end as on Windows", "\r\nBUILD_EXCLUSIVE_KERNEL=^6\r\n", nil, ok},
	{"quotes in quotes", "MAKE='sh -c \"cp hello.bin hello.ko\"'\n", nil, fail},                                         // they end the second time
	{"not quoted", "PRE_BUILD=pre 1\nMAKE=cp hello.bin hello.ko\n", map[string]string{"pre*": "#!/bin/sh\nexit 9"}, ok}, // bash runs 1 and hello.bin
	{"blanks in names", "MAKE=\"test -f 'a folder/a file' && cp hello.bin hello.ko\"\n", map[string]string{"a folder/a file": "x"}, ok},
	{"make of another name", "MAKE='./make.sh'\n", map[string]string{"make.sh*": "#!/bin/sh\ncp hello.bin hello.ko"}, ok},
	{"needs itself", "BUILD_DEPENDS[0]=quirk\n", nil, broken},
	{"deprecated", "REMAKE_INITRD=yes\nCLEAN=\"make clean\"\nMODULES_CONF[0]=x\n", nil, ok},
	{"needs another", "BUILD_DEPENDS[0]=other\n", nil, broken},
}

// TestRealQuirks compares the real dkms with modmatrix on all of them, in the root of a real kernel with its tree.
func TestRealQuirks(t *testing.T) {
	if os.Getenv("MODMATRIX_REAL") == "" {
		t.Skip("needs the archive: MODMATRIX_REAL=1")
	}
	c := comparison{Options: Options{Kernels: []string{"debian:bookworm/cloud-amd64"}, DKMS: "trixie", Jobs: 1, Timeout: time.Minute, Say: t.Logf}}
	release, err := c.prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	tree := c.trees[0]
	hello := builtHello(t, tree)
	for _, q := range quirks {
		t.Run(q.name, func(t *testing.T) {
			t.Parallel()
			deb := quirkPackage(t, tree.Target.Release, hello, q.conf, q.files)
			pkg, err := dkms.Open(t.Context(), filepath.Join(deb.Dir, "usr/src/quirk-1.0"), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			byDKMS, err := c.runDKMS(t.Context(), t.TempDir(), subject{deb, pkg}, tree)
			if err != nil {
				t.Fatal(err)
			}
			byModmatrix, err := c.runModmatrix(t.Context(), t.TempDir(), subject{deb, pkg}, tree)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(byModmatrix.Modules)
			if byDKMS.Verdict != q.want || byModmatrix.Verdict != q.want || !slices.Equal(byDKMS.Modules, byModmatrix.Modules) {
				t.Errorf("want %s\ndkms      %s\nmodmatrix %s", q.want, byDKMS.line(), byModmatrix.line())
			}
		})
	}
}

// builtHello is a module that builds, loads and does nothing.
func builtHello(t *testing.T, tree *kernels.Tree) []byte {
	t.Helper()
	source := t.TempDir()
	for name, text := range map[string]string{"Kbuild": "obj-m := hello.o\n", "hello.c": "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\n"} {
		if err := os.WriteFile(filepath.Join(source, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	made, err := kbuild.Build(t.Context(), kbuild.Request{Tree: tree, Source: kbuild.Source{Top: source}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	hello, err := os.ReadFile(made.Modules[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	return hello
}

// quirkPackage is a package as the archive would have it; RELEASE in it is that of the kernel.
func quirkPackage(t *testing.T, release string, hello []byte, conf string, files map[string]string) *debian.Deb {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{dkms.ConfName: quirkConf + conf, "hello.bin": string(hello)}
	for name, text := range files {
		all[name] = strings.ReplaceAll(text, "RELEASE", release)
	}
	for name, text := range all {
		name, executable := strings.CutSuffix(name, "*")
		mode := os.FileMode(0o644)
		if executable {
			mode = 0o755
		}
		file := filepath.Join(dir, "usr/src/quirk-1.0", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), mode)); err != nil {
			t.Fatal(err)
		}
	}
	return &debian.Deb{Package: kernels.Package{Name: "quirk-dkms", Version: "1.0"}, Dir: dir}
}
