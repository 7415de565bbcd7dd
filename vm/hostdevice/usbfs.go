package hostdevice

import (
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of usbfs (Linux include/uapi/linux/usbdevice_fs.h) with which whoever may open a device gives it back to the kernel. On
// powerpc they have other numbers, and drivers_probe is what is left.
const (
	usbfsSetConfiguration = 0x80045505
	usbfsIoctl            = 0xc0005512 | unsafe.Sizeof(usbfsCall{})<<16
	usbfsConnect          = 0x00005517
)

// usbfsCall is struct usbdevfs_ioctl.
type usbfsCall struct {
	number, code int32
	data         uintptr
}

// reconnect asks the kernel for drivers of the interfaces, in the configuration that they were of. An error shows in sysfs.
func (t *Taken) reconnect(f *os.File, lost []string) {
	if before, err := strconv.Atoi(t.was.Configuration); err == nil && attribute(t.dir(), "bConfigurationValue") != t.was.Configuration {
		value := uint32(before)
		call(f, usbfsSetConfiguration, unsafe.Pointer(&value))
	}
	for _, name := range lost {
		number := name[strings.LastIndexByte(name, '.')+1:] // BUS-PORT:CONFIGURATION.INTERFACE, and BUS-PORT may have dots
		if n, err := strconv.Atoi(number); err == nil {
			call(f, usbfsIoctl, unsafe.Pointer(&usbfsCall{number: int32(n), code: usbfsConnect}))
		}
	}
}

func call(f *os.File, number uintptr, data unsafe.Pointer) {
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, f.Fd(), number, uintptr(data))
}
