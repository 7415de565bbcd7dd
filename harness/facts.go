package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
)

// addFacts adds to e what is known of the modules that were refused.
func (c *cell) addFacts(e *judge.Evidence) {
	e.FirmwareCure = c.firmwareCure(e.NoFirmware)
	if e.Here {
		e.FirmwareCure = ": its package puts it into /lib/firmware"
	}
	unlisted, _ := c.built.unlistedNeeds(c.tree) // its tree was read before
	e.Facts = map[string]judge.Fact{}
	for _, m := range c.built.all() {
		if !slices.ContainsFunc(e.Guest.Loads, func(s judge.Syscall) bool { return s.Module == m.Name && s.Errno != 0 }) {
			continue
		}
		f := judge.Fact{Unlisted: unlisted[m.Name], Firmware: m.Firmware}
		if !e.Here {
			f.Serves = serves(m.Aliases)
		}
		f.BuiltIn, _ = c.tree.BuiltIn(m.Name)
		f.Blind = c.asksOwnOnly(m)
		e.Facts[m.Name] = f
	}
}

// asksOwnOnly reports whether m asks nobody but other modules of its package. Where that is not known, it does not.
func (c *cell) asksOwnOnly(m kbuild.Module) bool {
	var others []string
	for _, o := range c.built.all() {
		if slices.ContainsFunc(m.Depends, func(d string) bool { return wire.ModuleName(d) == o.Name }) {
			others = append(others, o.Path)
		}
	}
	if len(others) == 0 {
		return false
	}
	only, err := kbuild.AsksOnly(m.Path, others...)
	return only && err == nil
}

// serves says what would stand in for the hardware that aliases speak of.
func serves(aliases []string) string {
	const none = "a guest cannot have it"
	for _, model := range vm.Models {
		if slices.ContainsFunc(aliases, func(pattern string) bool { return wire.MatchAlias(pattern, model.Alias) }) {
			if strings.HasPrefix(model.Alias, "usb:") {
				return "--device qemu-xhci,id=x --device " + model.Row + ",bus=x.0 is one that it drives"
			}
			return "--device " + model.Row + " is one that it drives"
		}
	}
	for _, alias := range aliases {
		kind, named := aliasKind(alias)
		switch {
		case !named:
		case slices.Contains([]string{"dmi", "acpi", "wmi", "of", "platform", "cpu", "x86cpu", "pnp"}, kind):
			return fmt.Sprintf("it needs the machine that it is for (%s), and %s", brieflyAlias(alias), none)
		default:
			return fmt.Sprintf("QEMU emulates no device that it drives (%s)", brieflyAlias(alias))
		}
	}
	return "it names none that it drives, so it looks for it by itself; [guest] devices in modmatrix.toml, or --device, gives a guest what QEMU emulates"
}

// aliasKind is the bus, or the table of the machine, that an alias of a device is of: "dmi" of "dmi*:svnACME*:". Others have none.
func aliasKind(alias string) (kind string, ok bool) {
	kind, _, ok = strings.Cut(alias, ":")
	return strings.TrimRight(kind, "*"), ok
}

// brieflyAlias is an alias that fits in a sentence.
func brieflyAlias(alias string) string {
	const most = 60
	if len(alias) > most {
		return alias[:most] + "…"
	}
	return alias
}

// firmwareCure is how a guest gets files of firmware, by what lies in the module's own source.
func (c *cell) firmwareCure(files []string) string {
	const cure = ": [guest] firmware in modmatrix.toml, or --firmware DIR, gives it a folder of them, and debian:NAME a package"
	source, err := os.OpenRoot(c.run.plan.in.module.Source)
	if err != nil || len(files) == 0 {
		return cure
	}
	defer source.Close()
	for _, name := range files {
		for _, dir := range []string{"firmware", ".", "fw"} {
			path := filepath.Join(dir, filepath.FromSlash(name)) // as the guest says: it stays in the folder
			if info, err := source.Stat(path); err == nil && info.Mode().IsRegular() {
				return fmt.Sprintf("%s; the module's own folder has %s, so DIR may be %s", cure, path, dir)
			}
		}
	}
	return cure
}
