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
	_, err := parseLines(r, "/proc/devices", func(line string) (d Device, err error) {
		switch {
		case line == "":
		case line == "Character devices:":
			list = &devices.Char
		case line == "Block devices:":
			list = &devices.Block
		case list == nil:
			err = errors.New("a device outside of the lists of character and block devices")
		default:
			if d, err = parseDevice(line); err == nil {
				*list = append(*list, d)
			}
		}
		return d, err
	})
	if err != nil {
		return Devices{}, err
	}
	return devices, nil
}

// parseDevice reads " 10 misc".
func parseDevice(line string) (Device, error) {
	major, name, ok := strings.Cut(strings.TrimLeft(line, " "), " ")
	if !ok {
		return Device{}, fmt.Errorf("want a major and a name, not %q", line)
	}
	n, err := strconv.Atoi(major)
	if err != nil {
		return Device{}, fmt.Errorf("major: %w", err)
	}
	return Device{n, name}, nil
}
