package kbuild

import (
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/results"
)

func TestMakeCommand(t *testing.T) {
	clang, err := kconfig.Parse(strings.NewReader("CONFIG_CC_IS_CLANG=y\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		r    Request
		want string
	}{
		"plain":  {Request{Tree: &kernels.Tree{KDIR: "/k"}}, "make -C /k M=/build -j1 modules"},
		"all":    {Request{Tree: &kernels.Tree{KDIR: "/k"}, Jobs: 3, Folder: "src/drv", Make: []string{"A=b c", "CONFIG_X=m"}}, "make -C /k M=/build/src/drv -j3 'A=b c' CONFIG_X=m modules"},
		"clang":  {Request{Tree: &kernels.Tree{KDIR: "/k", Config: clang}}, "make -C /k M=/build -j1 LLVM=1 modules"},
		"a copy": {Request{Tree: &kernels.Tree{KDIR: "/k"}, Make: make([]string, 0, 9)}, "make -C /k M=/build -j1 modules"},
	} {
		if got := results.ShellLine(makeCommand(test.r)...); got != test.want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func TestCheckMakeArg(t *testing.T) {
	for arg, ok := range map[string]bool{
		"A=b": true, "CONFIG_X=": true, "EXTRA_CFLAGS=-DA=1 -DB": true, "_a1=$(x)": true,
		"": false, "clean": false, "-j9": false, "--eval=x": false, "A b=c": false, "1A=b": false, "=x": false, "A+=b": false,
		"M=/": false, "O=/x": false, "KBUILD_OUTPUT=x": false, "KBUILD_MODPOST_WARN=1": false, "SHELL=/x": false,
		"A=b\nc": false, "A=b\x00": false,
	} {
		if err := checkMakeArg(arg); (err == nil) != ok {
			t.Errorf("%q: %v", arg, err)
		}
	}
}

// TestWithoutBTF: the step is left out only where it would be tried and cannot be done.
func TestWithoutBTF(t *testing.T) {
	btf, _ := kconfig.Parse(strings.NewReader("CONFIG_DEBUG_INFO_BTF_MODULES=y\n"))
	for name, test := range map[string]struct {
		config kconfig.Config
		files  map[string]string
		off    bool
	}{
		"no BTF":     {kconfig.Config{}, map[string]string{"k/vmlinux": ""}, false},
		"no vmlinux": {btf, map[string]string{"k/Makefile": ""}, false},
		"pahole":     {btf, map[string]string{"k/vmlinux": "", "usr/bin/pahole": ""}, false},
		"no pahole":  {btf, map[string]string{"k/vmlinux": ""}, true},
	} {
		root := source(t, test.files)
		v, err := layout(kernels.Root{Dir: root}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := withoutBTF(v, &kernels.Tree{KDIR: "/k", Config: test.config}); (got != nil) != test.off {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestSandboxArgs(t *testing.T) {
	v := &view{args: []string{"--ro-bind", "/r/usr", "/usr"}, opened: map[string]bool{"/": true, "/usr/src": true}}
	got := strings.Join(Sandbox{Dir: "/d"}.args(v, []string{"make", "modules"}), " ")
	want := "--unshare-all --die-with-parent --new-session --cap-drop ALL --clearenv --hostname modmatrix --json-status-fd 3" +
		" --setenv HOME /tmp/home --setenv KBUILD_BUILD_HOST modmatrix --setenv KBUILD_BUILD_TIMESTAMP @946684800" +
		" --setenv KBUILD_BUILD_USER modmatrix --setenv LC_ALL C --setenv PATH /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" +
		" --setenv SOURCE_DATE_EPOCH 946684800 --setenv TMPDIR /tmp --setenv TZ UTC --proc /proc --dev /dev" +
		" --size 67108864 --tmpfs /dev/shm --size 1073741824 --tmpfs /tmp --dir /tmp/home --ro-bind /r/usr /usr --bind /d /build --remount-ro /usr/src --remount-ro / --remount-ro /proc --remount-ro /dev" +
		" --chdir /build -- sh -c " + limitScript + " sh make modules"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
