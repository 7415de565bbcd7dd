package kernels

import (
	"path"
	"regexp"
	"slices"
)

// packageOf are the packages of Debian that hold programs which builds of modules ask for, where the two have different names.
// Each is in every suite since bullseye.
var packageOf = map[string]string{
	"ar": "binutils", "autoreconf": "autoconf", "awk": "gawk", "cc": "gcc", "dh": "debhelper", "dpkg-buildflags": "dpkg-dev", "dpkg-parsechangelog": "dpkg-dev", "dtc": "device-tree-compiler", "envsubst": "gettext-base",
	"free": "procps", "hexdump": "bsdextrautils", "hg": "mercurial", "ifconfig": "net-tools", "ip": "iproute2", "ld.lld": "lld", "libtoolize": "libtool",
	"lsb_release": "lsb-release", "lsmod": "kmod", "lspci": "pciutils", "lsusb": "usbutils", "msgfmt": "gettext", "netstat": "net-tools",
	"ninja": "ninja-build", "node": "nodejs", "objdump": "binutils", "pgrep": "procps", "pip": "python3-pip", "pip3": "python3-pip",
	"pkg-config": "pkg-config", "pkgconf": "pkg-config", "ps": "procps", "python": "python-is-python3", "readelf": "binutils", "rev": "bsdextrautils",
	"ssh": "openssh-client", "scp": "openssh-client", "svn": "subversion", "svnversion": "subversion", "tclsh": "tcl", "uudecode": "sharutils",
	"uuencode": "sharutils", "vim": "vim-tiny", "xz": "xz-utils",
}

// sameName are programs whose package has their name.
var sameName = []string{"aria2", "autoconf", "automake", "bc", "bindgen", "bison", "bzip2", "clang", "cmake", "cpio", "cpp", "curl", "dkms", "dos2unix", "dwarves", "ed",
	"elfutils", "fakeroot", "flex", "g++", "gawk", "gcc", "git", "gperf", "help2man", "indent", "iptables", "jq", "kmod", "libtool", "lld", "llvm", "lz4",
	"m4", "make", "mawk", "meson", "mokutil", "nasm", "openssl", "pahole", "patch", "perl", "php", "python3", "quilt", "rsync", "ruby", "rustc", "sbsigntool",
	"socat", "sparse", "sudo", "unzip", "wget", "xmlto", "xsltproc", "xxd", "yasm", "zip", "zstd"}

var (
	llvmTool  = regexp.MustCompile(`^llvm-[a-z-]+$`)
	versioned = regexp.MustCompile(`^((?:gcc|g\+\+|cpp|clang|lld|llvm|python|rustc)-?[\d.]+|(?:llvm-[a-z]+|ld\.lld)-(\d+))$`)
)

// PackageOf returns the package of Debian that holds a program. known is false where that is only guessed: many have its name.
func PackageOf(program string) (pkg string, known bool) {
	program = path.Base(program)
	if pkg, ok := packageOf[program]; ok {
		return pkg, true
	}
	if llvmTool.MatchString(program) {
		return "llvm", true
	}
	if m := versioned.FindStringSubmatch(program); m != nil {
		if m[2] == "" {
			return m[1], true
		}
		return map[bool]string{true: "lld-", false: "llvm-"}[program[0] == 'l' && program[1] == 'd'] + m[2], true
	}
	return program, slices.Contains(sameName, program)
}
