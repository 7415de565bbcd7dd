package config

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/modmatrix/modmatrix/vm"
)

// kernelModule is how a module of the kernel's own is named.
var kernelModule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// badDevice says what is wrong with the first row that is no stand-in; empty: nothing.
func badDevice(rows []string) string {
	for _, row := range rows {
		if err := vm.CheckDevice(row); err != nil {
			return oneLine(err.Error())
		}
	}
	return ""
}

// badModule gives the first name that is none of a module, quoted; empty: there is none.
func badModule(names []string) string {
	for _, name := range names {
		if !kernelModule.MatchString(name) {
			return fmt.Sprintf("%q is no name of a module of the kernel's own: write it like \"gpio-sim\"", name)
		}
	}
	return ""
}

// badPlug says what is wrong with the first row that declares no device to plug in; empty: nothing.
func badPlug(rows []string) string {
	names := map[string]bool{}
	for i, row := range rows {
		name, device, _ := strings.Cut(row, "=")
		p := vm.Plug{Name: name, Row: device}
		if err := p.Check(); err != nil {
			return oneLine(err.Error())
		}
		if names[p.Name] {
			return fmt.Sprintf("%s is declared twice", p.Name)
		}
		if names[p.Name] = true; i >= vm.MaxPlugs {
			return fmt.Sprintf("at most %d devices can be plugged in", vm.MaxPlugs)
		}
	}
	return ""
}
