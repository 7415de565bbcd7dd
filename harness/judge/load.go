package judge

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm/console"
)

// The rules of loading. A package of several modules is judged module by module: one that refuses because its hardware is not there is
// set aside, and the others are judged as if it did not exist.

// Fact is what is known of a module under test beside what its guest showed.
type Fact struct {
	BuiltIn  bool     // the kernel has a module of this name built in
	Unlisted []string // what it depends on and was built with it, but is not installed by its package
	// Blind: whatever it asks before it refuses, it asks a module of its own package, so what it lacks is not hardware.
	Blind    bool
	Serves   string   // what would stand in for its hardware, or that nothing can, as half a sentence
	Firmware []string // files that it says it may ask for
}

// lacksHardware reports whether call is a refusal of a driver whose device is not there, or of a module that depends on one.
func (e Evidence) lacksHardware(call Syscall) bool {
	errno := syscall.Errno(call.Errno)
	blind := call.Need == "" && e.Facts[call.Module].Blind
	return (errno == syscall.ENODEV || errno == syscall.ENXIO) && !blind && (len(e.loaded()) > 0 || len(e.Guest.Residue) == 0)
}

// absent are the modules that are set aside.
func (e Evidence) absent() []Syscall {
	return slices.DeleteFunc(slices.Clone(e.Guest.Loads), func(c Syscall) bool { return c.Errno == 0 || !e.lacksHardware(c) })
}

// loaded are the modules that loaded, each once.
func (e Evidence) loaded() (names []string) {
	for _, c := range e.Guest.Loads {
		if c.Errno == 0 && !slices.Contains(names, c.Module) {
			names = append(names, c.Module)
		}
	}
	return names
}

// refusal is a refused load in one line.
func (e Evidence) refusal(call Syscall) string {
	text := fmt.Sprintf("%s refused: %s", call.Module, call.Error())
	if call.Need != "" {
		return fmt.Sprintf("%s was not tried, since %s refused", call.Module, call.Need)
	}
	switch others := e.beside(call); len(others) {
	case 0:
	case 1:
		text += " while " + others[0] + " is loaded"
	default:
		text += " while " + strings.Join(others, ", ") + " are loaded"
	}
	if words := e.Words[call.Module]; words != "" {
		text += ": " + words
	}
	return text + e.firmwareWords(call)
}

// beside are the modules of the package that may have what a refused one wants for itself, as far as its errno speaks of that.
func (e Evidence) beside(call Syscall) []string {
	switch syscall.Errno(call.Errno) {
	case syscall.EBUSY, syscall.EEXIST, syscall.ENOEXEC:
		if f := e.Facts[call.Module]; f.BuiltIn || syscall.Errno(call.Errno) == syscall.ENOEXEC && !slices.Contains(e.Guest.Alone, call.Module) {
			return nil
		}
		return slices.DeleteFunc(e.loaded(), func(name string) bool { return name == call.Module })
	}
	return nil
}

// firmwareWords name the files that the module asked the guest for in vain, or may have asked for.
func (e Evidence) firmwareWords(call Syscall) string {
	files := e.NoFirmware
	asked := "it asked for the firmware"
	if len(files) == 0 && syscall.Errno(call.Errno) == syscall.ENOENT && e.Words[call.Module] == "" {
		files, asked = e.Facts[call.Module].Firmware, "it may have asked for its firmware"
	}
	if len(files) == 0 {
		return ""
	}
	return fmt.Sprintf("; %s %s, which %s does not have%s", asked, strings.Join(files, ", "), e.machine(), e.FirmwareCure)
}

func loadRefused(e Evidence) (verdict, bool) {
	i := slices.IndexFunc(e.Guest.Loads, func(c Syscall) bool { return c.Errno != 0 && !e.lacksHardware(c) })
	if i < 0 {
		return verdict{}, false
	}
	call := e.Guest.Loads[i]
	fact := e.Facts[call.Module]
	reason := e.refusal(call)
	if len(e.Guest.Residue) > 0 {
		reason += "; left behind: " + strings.Join(e.Guest.Residue, ", ")
	}
	switch {
	case fact.BuiltIn:
		reason += "; a module of this name is built into this kernel, which takes no second one"
	case len(fact.Unlisted) > 0:
		reason += "; it depends on " + strings.Join(fact.Unlisted, ", ") + ", built but not listed in dkms.conf, so dkms does not install it"
	case fact.Blind && (syscall.Errno(call.Errno) == syscall.ENODEV || syscall.Errno(call.Errno) == syscall.ENXIO):
		reason += "; it asks nothing but modules of its own package, so it is not hardware that it lacks"
	case slices.Contains(e.Guest.Alone, call.Module):
		reason += "; without that it loads: choose among modules that exclude each other with [module] load in modmatrix.toml, or --load"
	}
	return verdict{results.Fail, results.StageLoad, results.CodeLoadRefused, reason}, true
}

// noHardware is a package of which nothing could be loaded for want of hardware. A guest that came to its end in order shows it.
func noHardware(e Evidence) (verdict, bool) {
	g := e.Guest
	absent := e.absent()
	if len(absent) == 0 || len(e.loaded()) > 0 || !g.End || e.End.Reason != CleanEnd || g.Lost || g.Broken != "" {
		return verdict{}, false
	}
	reason := e.wantsHardware(absent[0])
	for _, call := range absent[1:] {
		reason += "; " + e.refusal(call)
	}
	return verdict{results.Skip, results.StageLoad, results.CodeNoHardware, reason}, true
}

// wantsHardware is the refusal of a module that is set aside, and what would serve it.
func (e Evidence) wantsHardware(call Syscall) string {
	text := e.refusal(call)
	if call.Need == "" {
		text += "; its hardware is not in " + e.machine()
	}
	if serves := e.Facts[call.Module].Serves; serves != "" && call.Need == "" {
		text += ": " + serves
	}
	return text
}

// setAside is absent as a record has it.
func (e Evidence) setAside() (list []results.Absent) {
	for _, call := range e.absent() {
		list = append(list, results.Absent{Module: call.Module, Reason: e.wantsHardware(call)})
	}
	return list
}

const butLoads = "; but it loads on "

// Across judges the records of one run together, however often: a module whose hardware is nowhere in the run loads in none of its guests. One that
// loads in another guest of the same architecture is at fault where it refuses.
func Across(records []results.Record) []results.Record {
	at := map[[2]string]string{} // the first kernel that a module loads on, by architecture and module
	for _, rec := range records {
		for _, name := range rec.Loaded {
			if key := [2]string{rec.Target.Arch, name}; at[key] == "" {
				at[key] = rec.Target.Label()
			}
		}
	}
	out := slices.Clone(records)
	for i, rec := range out {
		for _, a := range rec.Absent {
			before := strings.HasPrefix(rec.Reason, a.Reason+butLoads) // by fewer records
			if rec.Status != results.Skip && rec.Status != results.Pass && !before {
				continue
			}
			if other := at[[2]string{rec.Target.Arch, a.Module}]; other != "" {
				out[i].Status, out[i].Stage, out[i].Code = results.Fail, results.StageLoad, results.CodeLoadRefused
				out[i].Reason = a.Reason + butLoads + other
				break
			}
		}
	}
	return out
}

// loadWindow is the part of log, that of a load stage, in which module was loaded; all of it, and false, where that is not known.
func loadWindow(log []byte, nonce, module string) ([]byte, bool) {
	begin := bytes.LastIndex(log, []byte(wire.LoadMarker(nonce, module, false)))
	if begin < 0 {
		return log, false
	}
	window := log[begin:]
	window = window[bytes.IndexByte(window, '\n')+1:]
	if end := bytes.Index(window, []byte(wire.LoadMarker(nonce, module, true))); end >= 0 {
		window = window[:bytes.LastIndexByte(window[:end], '\n')+1]
	}
	return window, true
}

// loadWords are what the kernel said of each refused load in g, and what the module said itself.
func loadWords(log []byte, g *Guest, modules []string) map[string]string {
	words := map[string]string{}
	for _, call := range g.Loads {
		if call.Errno == 0 || call.Need != "" {
			continue
		}
		window, known := loadWindow(log, g.Nonce, call.Module)
		others := modules
		if !known {
			others = nil // whose an unnamed line is cannot be known
		}
		words[call.Module] = console.Reason(window, call.Module, others...)
	}
	return words
}

// noFirmware finds the files of firmware that the kernel looked for and did not find (Linux drivers/base/firmware_loader/main.c).
var noFirmware = regexp.MustCompile(`Direct firmware load for ([!-~]+) failed with error -2\b`)

// maxFirmware bounds the files that are named.
const maxFirmware = 20

func missingFirmware(log []byte) (files []string) {
	for _, m := range noFirmware.FindAllSubmatch(log, 100) {
		if name := string(m[1]); !slices.Contains(files, name) && len(files) < maxFirmware {
			files = append(files, name)
		}
	}
	return files
}
