package mainline

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// linux is a kernel's tree, as far as a shape is made of one.
var linux = map[string]string{
	"Makefile": "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 3\n",
	"MAINTAINERS": "List of maintainers\n\n" +
		"3C59X NETWORK DRIVER\nM:\tSteffen Klassert <klassert@example.org>\nF:\tdrivers/net/3c59x.c\n\n" +
		"ZSWAP\nM:\tSeth Jennings <sjenning@example.org>\nF:\tmm/zswap.c\n\n" +
		"THE REST\nM:\tLinus Torvalds <torvalds@example.org>\nF:\t*\nF:\t*/\n",
	"drivers/Makefile":            "obj-y += misc/\nobj-$(CONFIG_I2C) += i2c/\n",
	"drivers/misc/Kconfig":        "menu \"Misc devices\"\n\nconfig OLDER\n\ttristate \"An older driver\"\n\thelp\n\t  It is old.\n\nsource \"drivers/misc/sub/Kconfig\"\nendmenu\n",
	"drivers/misc/Makefile":       "obj-$(CONFIG_OLDER) += older.o\n",
	"drivers/misc/older.c":        "#include <linux/module.h>\nint older;\nMODULE_VERSION(\"1.2\");\n",
	"drivers/i2c/Makefile":        "obj-$(CONFIG_I2C) += i2c-core.o\ni2c-core-objs := i2c-core-base.o\n",
	"drivers/i2c/Kconfig":         "config I2C\n\ttristate \"I2C support\"\n",
	"drivers/i2c/i2c-core-base.c": "EXPORT_SYMBOL(i2c_register_driver);\n",
	"lib/Kconfig":                 "config CRC9\n\ttristate\n",
	"lib/Makefile":                "obj-$(CONFIG_CRC9) += crc9.o\n",
	"lib/crc9.c":                  "EXPORT_SYMBOL_GPL(crc9);\n",
	"include/linux/crc9.h":        "int crc9(void);\n",
	"include/linux/compiler.h":    "#define unlikely(x) ({ branch_update(); x; })\nvoid branch_update(void);\nstruct y { void *ops; };\n",
	"kernel/trace/Makefile":       "obj-$(CONFIG_BRANCHES) += branch.o\n",
	"kernel/trace/Kconfig":        "config BRANCHES\n\tbool\n",
	"kernel/trace/branch.c":       "EXPORT_SYMBOL(branch_update);\n",
	"drivers/acpi/Makefile":       "obj-$(CONFIG_ACPI) += property.o\n",
	"drivers/acpi/Kconfig":        "config ACPI\n\tbool \"ACPI\"\n",
	"drivers/acpi/property.c":     "#define DECLARE(ops) \\\n\tint x_##ops; \\\n\tEXPORT_SYMBOL_GPL(ops)\n",
	"kernel/Makefile":             "obj-y = printk.o\n",
	"kernel/printk.c":             "EXPORT_SYMBOL(_printk);\n",
	"include/linux/module.h":      "#define module_init(x) x\n",
	"include/linux/i2c.h":         "int i2c_register_driver(void *owner, void *driver);\n#define i2c_add_driver(driver) \\\n\ti2c_register_driver(THIS_MODULE, driver)\n#define I2C_NEW 1\n",
	"include/linux/optional.h":    "#ifdef CONFIG_OPT\nint opt_call(void);\n#else\nstatic inline int opt_call(void) { return 0; }\n#endif\n",
	"drivers/opt/Makefile":        "obj-$(CONFIG_OPT) += opt.o\n",
	"drivers/opt/opt.c":           "EXPORT_SYMBOL(opt_call);\n",
	"drivers/opt/Kconfig":         "config OPT\n\tbool \"Optional\"\n",
	"scripts/checkpatch.pl":       "print \"MAINTAINERS:1: WARNING:A_TYPE: about it\\nx.patch total: 0 errors, 1 warnings, 0 checks, 9 lines checked\\n\"; exit 1;\n",
	"scripts/get_maintainer.pl":   "print \"A Maintainer <m\\@example.org> (maintainer:MISC)\\n\";\n",
}

// driver is a module as authors have one: for several kernels.
var driver = map[string]string{
	"Kbuild":    "obj-m := my-drv.o\nmy-drv-objs := main.o \\\n\tcore/part.o\nccflags-y := -I$(src)/inc -DX\n",
	"Makefile":  "all:\n\tmake -C /lib/modules/$(shell uname -r)/build M=$(PWD)\n",
	"README.md": "about it\n",
	"main.c": `#include <linux/module.h>
#include <linux/version.h>
#include <linux/i2c.h>
#include <linux/optional.h>
#include <linux/crc9.h>
#include <linux/compiler.h>
#include "own.h"
#include <core/part.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define HAVE_VOID_REMOVE
#endif
#ifdef HAVE_VOID_REMOVE
static void my_remove(void) { }
#else
static int my_remove(void) { return 0; }
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 0, 0) || \
	defined(RHEL_RELEASE_CODE)
int for_old;
#endif
#ifdef HAVE_BY_PROBE
int probed;
#endif
#ifndef I2C_NEW
#define I2C_NEW 2
#endif
struct y ops;
int my_init(void) { if (unlikely(ops.ops)) return 1; return i2c_add_driver(0) + crc9() + opt_call(); }
MODULE_AUTHOR("An Author <author@example.org>");
MODULE_DESCRIPTION("A driver "
	"for tests");
MODULE_VERSION("1.3");
`,
	"core/part.c": "#include \"part.h\"\r\nint part;",
	"core/part.h": "int part;\n",
	"inc/own.h":   "int own;\n",
}

func with(files map[string]string, more ...string) map[string]string {
	all := maps.Clone(files)
	for i := 0; i < len(more); i += 2 {
		if all[more[i]] = more[i+1]; more[i+1] == "" {
			delete(all, more[i])
		}
	}
	return all
}

func lay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// request rehearses the module in the tree. Tools are the host's.
func request(t *testing.T, tree, module map[string]string) Request {
	t.Helper()
	r := Request{Source: kbuild.Source{Top: lay(t, module)}, Title: "my-drv", Linux: lay(t, tree), Index: filepath.Join(t.TempDir(), "index"),
		Version: "6.12.3", Of: "linux-6.12.3.tar.xz", Into: "drivers/misc", Work: t.TempDir()}
	if err := WriteIndex(context.Background(), r.Linux, r.Index); err != nil {
		t.Fatal(err)
	}
	return r
}

func shapeOf(t *testing.T, r Request) *Shape {
	t.Helper()
	s, err := Make(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// applied has git am take the patches in a repository with the tree, and returns its folder.
func applied(t *testing.T, linux string, s *Shape) string {
	t.Helper()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", linux, "-c", "user.name=T", "-c", "user.email=t@example.org"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	git("init", "-q")
	git("add", "-A")
	git("commit", "-q", "-m", "the tree")
	mails := t.TempDir()
	args := []string{"am", "-q"}
	for _, p := range s.Patches {
		at := filepath.Join(mails, p.Name)
		if err := os.WriteFile(at, []byte(p.Text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, at)
	}
	git(args...)
	return linux
}
