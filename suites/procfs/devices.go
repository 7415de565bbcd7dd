package procfs

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Device is a major number and the name a driver registered for it.
type Device struct {
	Major int
	Name  string
}

// Devices is /proc/devices: the registered majors, in the kernel's order. A major may be there more than once.
type Devices struct {
	Char  []Device
	Block []Device
}

// ParseDevices reads /proc/devices (Linux fs/proc/devices.c).
func ParseDevices(r io.Reader) (Devices, error) {
	var devices Devices
	var list *[]Device
	err := eachLine(r, "/proc/devices", func(_ int, line string) error {
		switch line {
		case "":
			return nil
		case "Character devices:":
			list = &devices.Char
			return nil
		case "Block devices:":
			list = &devices.Block
			return nil
		}
		if list == nil {
			return errors.New("a device outside of the lists of character and block devices")
		}
		major, name, ok := strings.Cut(strings.TrimLeft(line, " "), " ")
		if !ok {
			return fmt.Errorf("want a major and a name, not %q", line)
		}
		n, err := strconv.Atoi(major)
		if err != nil {
			return fmt.Errorf("major: %w", err)
		}
		*list = append(*list, Device{n, name})
		return nil
	})
	if err != nil {
		return Devices{}, err
	}
	return devices, nil
}
