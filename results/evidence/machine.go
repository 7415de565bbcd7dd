package evidence

import (
	"bufio"
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// Here is what this machine and whoever uses it are called, as far as this process may know.
func Here() results.Identity {
	me := ofMachine(os.DirFS("/"))
	if name, err := os.Hostname(); err == nil {
		me.Hosts = append(me.Hosts, name)
		if short, _, dotted := strings.Cut(name, "."); dotted {
			me.Hosts = append(me.Hosts, short)
		}
	}
	names := []string{os.Getenv("USER"), os.Getenv("LOGNAME"), os.Getenv("SUDO_USER")}
	if u, err := user.Current(); err == nil {
		names = append(names, u.Username)
	}
	for _, name := range names {
		if u, err := user.Lookup(name); err == nil {
			full, _, _ := strings.Cut(u.Name, ",")
			me.Homes, me.Users = append(me.Homes, u.HomeDir), append(me.Users, full)
		}
		me.Users = append(me.Users, name)
	}
	if home, err := os.UserHomeDir(); err == nil {
		me.Homes = append(me.Homes, home)
	}
	return me
}

// ofMachine reads what the root folder of a machine has on it. What is not there, or not for us to read, nobody else has from us either.
func ofMachine(root fs.FS) (me results.Identity) {
	for _, line := range lines(root, "etc/resolv.conf") {
		if fields := strings.Fields(line); len(fields) > 1 && (fields[0] == "search" || fields[0] == "domain") {
			for _, domain := range fields[1:] {
				if strings.Contains(strings.Trim(domain, "."), ".") {
					me.Hosts = append(me.Hosts, strings.Trim(domain, "."))
				}
			}
		}
	}
	for _, pattern := range []string{"etc/machine-id", "sys/class/dmi/id/*_serial", "sys/class/dmi/id/product_uuid", "sys/class/dmi/id/*_asset_tag",
		"sys/block/*/device/serial", "sys/block/*/device/wwid", "sys/block/*/serial", "sys/block/*/wwid", "sys/bus/usb/devices/[0-9]*/serial",
		"sys/class/power_supply/*/serial_number", "proc/device-tree/serial-number"} { // the serial of a root hub, usbN, is its address
		me.Serials = append(me.Serials, contents(root, pattern)...)
	}
	for _, name := range []string{"product_name", "product_version", "product_family", "product_sku", "board_name"} {
		for _, model := range contents(root, path.Join("sys/class/dmi/id", name)) {
			if !strings.Contains(model, "QEMU") && !strings.Contains(model, "Standard PC") && !strings.HasPrefix(model, "pc-") {
				me.Models = append(me.Models, model)
			}
		}
	}
	return me
}

// contents are the first lines of the files that match.
func contents(root fs.FS, pattern string) (all []string) {
	found, _ := fs.Glob(root, pattern) // a bad pattern finds nothing, and none is
	for _, name := range found {
		first := lines(root, name)
		if len(first) == 0 {
			continue
		}
		line := strings.Trim(first[0], " \t\x00")
		if strings.Trim(line, "0:-.") != "" { // an address of nothing
			all = append(all, line)
		}
	}
	return all
}

// lines are those at the beginning of a file.
func lines(root fs.FS, name string) (all []string) {
	in, err := root.Open(name)
	if err != nil {
		return nil
	}
	defer in.Close()
	text, _ := io.ReadAll(io.LimitReader(in, 4<<10))
	scan := bufio.NewScanner(bytes.NewReader(text))
	for scan.Scan() {
		all = append(all, scan.Text())
	}
	return all
}
