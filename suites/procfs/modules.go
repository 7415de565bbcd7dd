package procfs

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Module is one line of /proc/modules (Linux kernel/module/procfs.c, m_show).
type Module struct {
	Name      string
	Size      uint64   // bytes of code and data
	RefCount  int      // users of any kind; -1 when the kernel cannot unload modules and does not count
	Holders   []string // modules that use this one
	Permanent bool     // has an init and no exit function: cannot be unloaded
	State     string   // "Live", "Loading" or "Unloading"
	Address   uint64   // zero when the kernel hides it
	Taints    string   // letters, as in "OE"; "+" and "-" when it is loading or unloading; empty for none
}

// ParseModules reads /proc/modules.
func ParseModules(r io.Reader) ([]Module, error) {
	return parseLines(r, "/proc/modules", parseModule)
}

// parseModule reads "fifo 16384 0 - Live 0xffffffffc0a4f000 (OE)".
func parseModule(line string) (Module, error) {
	f := strings.Fields(line)
	if len(f) < 6 || len(f) > 7 {
		return Module{}, fmt.Errorf("want 6 or 7 fields, not %d", len(f))
	}
	m := Module{Name: f[0], State: f[4], RefCount: -1}
	var err error
	if m.Size, err = strconv.ParseUint(f[1], 10, 64); err != nil {
		return Module{}, fmt.Errorf("size: %w", err)
	}
	if f[2] != "-" { // without CONFIG_MODULE_UNLOAD
		m.RefCount, err = strconv.Atoi(f[2])
	}
	if err != nil {
		return Module{}, fmt.Errorf("reference count: %w", err)
	}
	if m.Address, err = strconv.ParseUint(strings.TrimPrefix(f[5], "0x"), 16, 64); err != nil {
		return Module{}, fmt.Errorf("address: %w", err)
	}
	for user := range strings.SplitSeq(f[3], ",") {
		switch user {
		case "", "-":
		case "[permanent]":
			m.Permanent = true
		default:
			m.Holders = append(m.Holders, user)
		}
	}
	if len(f) == 7 {
		m.Taints = strings.Trim(f[6], "()")
	}
	return m, nil
}
