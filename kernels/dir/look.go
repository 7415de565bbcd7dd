package dir

import (
	"cmp"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/results/arch"
)

// look finds out whether the kernel can be built against and booted. Errors name the cure, in the order of a kernel's own build.
func (k Kernel) look(ctx context.Context) (facts, error) {
	var f facts
	for _, step := range []func(*facts) error{k.checkConfig, k.checkPrepared, k.checkImage, k.checkModules, k.checkNeeds} {
		if err := step(&f); err != nil {
			return f, err
		}
		if ctx.Err() != nil {
			return f, ctx.Err()
		}
	}
	var err error
	if f.cc, err = compilerFor(ctx, f.config, f.arch); err != nil {
		return f, err
	}
	if f.cc.notice != "" {
		f.notices = append(f.notices, k.Release+": "+f.cc.notice)
	}
	f.files, err = k.hashed(f.arch)
	return f, err
}

// ownRelease is what the build directory says that its kernel is called; "" where it says nothing yet. What is for modules
// goes before what is for scripts: a distribution's headers may differ.
func (k Kernel) ownRelease() string {
	for _, file := range []struct{ name, before, after string }{
		{"include/generated/utsrelease.h", `#define UTS_RELEASE "`, "\"\n"},
		{"include/config/kernel.release", "", "\n"},
	} {
		text, _ := os.ReadFile(filepath.Join(k.KDIR, file.name))
		_, rest, found := strings.Cut(string(text), file.before)
		release, _, ended := strings.Cut(rest, file.after)
		if found && ended && releaseWord.MatchString(release) {
			return release
		}
	}
	return ""
}

// releaseWord keeps releases to what can be a file's name, as the kernel does (Linux Makefile, uts_len; scripts/setlocalversion).
var releaseWord = regexp.MustCompile(`^[0-9][0-9A-Za-z.+_~-]{0,63}$`)

// checkConfig asks for a configured tree of an architecture that can be booted, in folders that make can build in.
func (k Kernel) checkConfig(f *facts) error {
	if !isFile(filepath.Join(k.KDIR, "Makefile")) {
		return fmt.Errorf("%s has no Makefile: it is no kernel build directory", k.KDIR)
	}
	path := filepath.Join(k.KDIR, ".config")
	config, err := kconfig.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && isFile(filepath.Join(k.KDIR, "Kconfig")):
		return fmt.Errorf("%s is not configured: make defconfig and make there, or name the folder given to O=", k.KDIR)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s has no .config: it is no kernel build directory", k.KDIR)
	case err != nil:
		return err
	}
	f.config = config
	title, version := titleOf(path)
	f.version = cmp.Or(version, PlainVersion(k.Release))
	var ok bool
	if f.arch, ok = kernels.ArchOf(config); !ok {
		return fmt.Errorf("%s is configured for %s, and what can be booted here is %s", k.KDIR, title, strings.Join(arch.Names(), ", "))
	}
	_, _, err = k.mounts()
	return err
}

// configTitle is the third line of a .config (Linux scripts/kconfig/confdata.c, conf_write_heading; arch/x86/Kconfig, mainmenu).
var configTitle = regexp.MustCompile(`(?m)^# Linux/(\S+) (\d+\.\d+(?:\.\d+)?\S*) Kernel Configuration`)

// titleOf is the architecture in the words of the configuration's first lines, and the version, "" where they do not say.
func titleOf(path string) (machine, version string) {
	var head []byte
	if file, err := os.Open(path); err == nil {
		head, _ = io.ReadAll(io.LimitReader(file, 256))
		file.Close()
	}
	if m := configTitle.FindSubmatch(head); m != nil {
		return string(m[1]) + " machines of another kind", PlainVersion(string(m[2]))
	}
	return "unknown machines", ""
}

// PlainVersion is X.Y.Z of a release.
func PlainVersion(text string) string {
	end := strings.IndexFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(text)
	}
	return strings.TrimRight(text[:end], ".")
}

func (k Kernel) checkPrepared(*facts) error {
	if k.Release == "" {
		return fmt.Errorf("%s is configured, but not built: make there", k.KDIR)
	}
	if own := k.ownRelease(); own != k.Release {
		return fmt.Errorf("the build directory %s of %s is of another release %q: install the headers of %[2]s anew", k.KDIR, k.Release, own)
	}
	for _, name := range []string{"include/generated/autoconf.h", "include/config/auto.conf", "scripts/basic/fixdep", "scripts/mod/modpost"} {
		if _, err := os.Stat(filepath.Join(k.KDIR, name)); err != nil {
			return fmt.Errorf("%s lacks %s: make modules_prepare there, or make", k.KDIR, name)
		}
	}
	if !isFile(filepath.Join(k.KDIR, "Module.symvers")) {
		return fmt.Errorf("%s has no Module.symvers, so no module's symbols can be checked: make there (make modules_prepare does not write it)", k.KDIR)
	}
	return checkTool(filepath.Join(k.KDIR, "scripts/basic/fixdep"))
}

// checkTool asks for tools of the kernel's build that run here: a tree that was built elsewhere brings its own.
func checkTool(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return nil // a script, whatever it is: make will say
	}
	defer f.Close()
	if f.Machine != build.ELF {
		return fmt.Errorf("%s is a program for %s: the tree was built on another machine; make modules_prepare here", path, f.Machine)
	}
	return nil
}

func (k Kernel) checkImage(f *facts) error {
	if k.Runs {
		return nil
	}
	if k.Image == "" {
		return fmt.Errorf("%s holds no image (%s): make there; a kernel that is installed here is host:%s", k.KDIR, f.arch.Kernel.Image, k.Release)
	}
	release, err := readImage(k.Image, f.arch)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s may not be read: sudo chmod a+r %[1]s", k.Image)
	case err != nil:
		return fmt.Errorf("%s: %w; make %s", k.Image, err, f.arch.Kernel.Target)
	case release != "" && release != k.Release:
		return fmt.Errorf("%s is of %s, but its tree is of %s: make again", k.Image, release, k.Release)
	}
	return nil
}

func (k Kernel) checkModules(f *facts) error {
	if !f.config.Enabled("MODULES") {
		return nil // one of the needs
	}
	if k.Modules == "" && !isFile(filepath.Join(k.KDIR, "modules.order")) {
		return fmt.Errorf("%s holds the image, but no modules: make modules there", k.KDIR)
	}
	if k.Modules != "" {
		if _, err := os.ReadDir(k.Modules); err != nil {
			return fmt.Errorf("read the kernel's modules: %w", err)
		}
	}
	return nil
}

// checkNeeds asks for a configuration that a guest can run with.
func (k Kernel) checkNeeds(f *facts) error {
	if k.Runs {
		if !f.config.Enabled("MODULES") {
			return fmt.Errorf("%s takes no modules: CONFIG_MODULES is not set", k.Release)
		}
		return nil
	}
	if lines := MissingForBoot(f.config, f.arch); len(lines) > 0 {
		return fmt.Errorf("%s cannot be booted here: its configuration lacks %s; add these and make", k.Release, strings.Join(lines, " "))
	}
	for _, w := range wanted {
		if !f.config.Enabled(w.symbol) {
			f.notices = append(f.notices, fmt.Sprintf("%s lacks CONFIG_%s: %s", k.Release, w.symbol, w.without))
		}
	}
	return nil
}

// needed are the symbols that must be built in for a guest to come up, talk and go down: it starts from an initramfs with
// nothing but this in its kernel, and its init is a Go program. Its architecture needs more.
var needed = []string{
	"BINFMT_ELF", "BLK_DEV_INITRD", "DEVTMPFS", "EPOLL", "EVENTFD", "FUTEX", "MODULES", "PRINTK", "PROC_FS", "SYSFS", "TTY",
}

// minUARTs are the serial ports that init opens: the console and the report.
const minUARTs = 2

// wanted are symbols without which a guest does less. They may be modules.
var wanted = []struct{ symbol, without string }{
	{"MODULE_UNLOAD", "no module can be unloaded, so that is not tried"},
	{"VIRTIO_PCI", "it cannot be frozen, so each of its guests boots"},
	{"VIRTIO_BLK", "it cannot be frozen, so each of its guests boots"},
	{"KALLSYMS", "its faults name addresses instead of functions"},
}

// MissingForBoot are the lines that c lacks for a guest to come up, as a .config has them.
func MissingForBoot(c kconfig.Config, a arch.Arch) []string {
	var lines []string
	for _, symbol := range slices.Sorted(slices.Values(slices.Concat(needed, a.Kernel.Needs))) {
		if c.Value(symbol) != "y" {
			lines = append(lines, "CONFIG_"+symbol+"=y")
		}
	}
	if n, err := strconv.Atoi(c.Value("SERIAL_8250_NR_UARTS")); err == nil && n < minUARTs {
		lines = append(lines, "CONFIG_SERIAL_8250_NR_UARTS=4")
	}
	return lines
}
