package kbuild

import (
	"fmt"
	"regexp"
	"strconv"
)

// tableSize is modpost's complaint of a table of devices that is no whole number of rows (Linux scripts/mod/file2alias.c, device_id_check).
var tableSize = regexp.MustCompile(`: sizeof\(struct (\w+)\)=(\d+) is not a modulo of the size of section \S+=(\d+)`)

// narrow are rows of tables that hold pointers, in bytes where these have 64 bits and where they have 32 (Linux include/linux/mod_devicetable.h).
var narrow = map[string][2]int{
	"dmi_system_id":    {344, 332},
	"hda_device_id":    {32, 20},
	"of_device_id":     {200, 196},
	"pcmcia_device_id": {80, 52},
	"wmi_device_id":    {48, 44},
}

// tooWide returns why modpost refused a module whose table is sound, "" where it did not: Debian's linux-kbuild of a 64-bit machine counts
// rows with its own pointers where it builds for 32 bits (seen in 6.1 and 6.12).
func tooWide(said string) string {
	m := tableSize.FindStringSubmatch(said)
	if m == nil {
		return ""
	}
	row, known := narrow[m[1]]
	counted, _ := strconv.Atoi(m[2]) // a number of so many digits is none of narrow's
	size, _ := strconv.Atoi(m[3])
	if !known || counted != row[0] || size == 0 || size%row[1] != 0 {
		return ""
	}
	return fmt.Sprintf("modpost of this machine's linux-kbuild takes a struct %s for %d bytes, as with 64-bit pointers, where the kernel's has %d: "+
		"it builds no module with such a table for 32 bits", m[1], row[0], row[1])
}
