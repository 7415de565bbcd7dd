package dir

import (
	"strconv"

	"github.com/modmatrix/modmatrix/kernels/kconfig"
)

// needed are the symbols that must be built in for a guest to come up, talk and go down: it starts from an initramfs with
// nothing but this in its kernel, its init is a Go program, and its console and report are serial ports.
var needed = []string{
	"64BIT", "ACPI", "BINFMT_ELF", "BLK_DEV_INITRD", "DEVTMPFS", "EPOLL", "EVENTFD", "FUTEX", "MODULES", "PRINTK", "PROC_FS",
	"SERIAL_8250", "SERIAL_8250_CONSOLE", "SYSFS", "TTY",
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
func MissingForBoot(c kconfig.Config) []string {
	var lines []string
	for _, symbol := range needed {
		if c.Value(symbol) != "y" {
			lines = append(lines, "CONFIG_"+symbol+"=y")
		}
	}
	if n, err := strconv.Atoi(c.Value("SERIAL_8250_NR_UARTS")); err == nil && n < minUARTs {
		lines = append(lines, "CONFIG_SERIAL_8250_NR_UARTS=4")
	}
	return lines
}
