package config

import (
	"fmt"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/checks"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/hostdevice"
)

// A file that says what cannot be is answered with one line: where it is said, and what would do.

// typeClash is how the decoder says that a value has the wrong type.
var typeClash = regexp.MustCompile(`^cannot decode TOML (\w+) into (?:struct field \S+ of type )?(\S+)$`)

// typeNames are Go's types in the words of who writes the file.
var typeNames = map[string]string{"int": "a whole number", "string": "a text in quotes", "bool": "true or false",
	"[]string": "a list of texts", "[]kernels.Selector": "a list of texts", "kernels.Selector": "a text in quotes", "map[string]string": "a table of texts", "config.Duration": "a text like \"10m\"",
	"config.Module": "a table", "config.Guest": "a table", "config.Build": "a table", "config.Debian": "a table", "config.Checks": "a table"}

func oneLine(s string) string {
	s = strings.TrimPrefix(strings.Join(strings.Fields(s), " "), "toml: ")
	if m := typeClash.FindStringSubmatch(s); m != nil && typeNames[m[2]] != "" {
		return fmt.Sprintf("%s belongs here, not the type %s", typeNames[m[2]], m[1])
	}
	return s
}

func unknownKey(e *toml.DecodeError) error {
	line, _ := e.Position()
	key := strings.Join(e.Key(), ".")
	hint := "; known are " + strings.Join(configKeys, ", ")
	near := nearest(key, configKeys)
	if i := slices.IndexFunc(configKeys, func(known string) bool { return lastName(known) == lastName(key) }); i >= 0 {
		near = configKeys[i] // it stands in the wrong table
	}
	if near != "" {
		hint = fmt.Sprintf(" — did you mean %q?", near)
	}
	return fmt.Errorf("%d: unknown key %q%s", line, key, hint)
}

func lastName(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

var configKeys = keysOf(reflect.TypeFor[Config](), "")

func keysOf(t reflect.Type, table string) []string {
	var keys []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		keys = append(keys, table+name)
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, keysOf(f.Type, table+name+".")...)
		}
	}
	return keys
}

// linesOf returns on which line each key of a well-formed document stands.
func linesOf(data []byte) map[string]int {
	lines := map[string]int{}
	var p unstable.Parser
	p.Reset(data)
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		var parts []string
		line := 0
		for k := e.Key(); k.Next(); {
			parts = append(parts, string(k.Node().Data))
			if line == 0 {
				line = p.Shape(k.Node().Raw).Start.Line
			}
		}
		key := strings.Join(parts, ".")
		if e.Kind == unstable.Table {
			table = key + "."
			lines[key] = line
			continue
		}
		lines[table+key] = line
	}
	return lines
}

func (c Config) check(lines map[string]int) error {
	timeout, memory := time.Duration(c.Guest.Timeout), hostMiB()
	rules := []struct {
		key  string
		ok   bool
		want string
	}{
		{"arch", badArch(c.Arch) == "", badArch(c.Arch)},
		{"suites", len(c.Suites) > 0, "name at least one suite, or leave the key out"},
		{"params", !slices.ContainsFunc(c.Params, notAssignment), "each is a text like \"name=value\""},
		{"make", !slices.ContainsFunc(c.Make, notAssignment), "each is a text like \"NAME=VALUE\""},
		{"out", c.Out != "", "the name of a folder"},
		{"jobs", 0 <= c.Jobs && c.Jobs <= 1024, "from 0 to 1024"},
		{"build.packages", badPackage(c.Build.Packages) == "", badPackage(c.Build.Packages)},
		{"module.exclude", badPattern(c.Module.Exclude) == "", badPattern(c.Module.Exclude)},
		{"guest.memory_mib", 64 <= c.Guest.MemoryMiB && c.Guest.MemoryMiB <= memory, fmt.Sprintf("from 64 to %d, which is the memory of this machine", memory)},
		{"guest.cpus", 1 <= c.Guest.CPUs && c.Guest.CPUs <= 256, "from 1 to 256"},
		{"module.load", badModule(c.Module.Load, "a module") == "", badModule(c.Module.Load, "a module")},
		{"guest.devices", badDevice(c.Guest.Devices) == "", badDevice(c.Guest.Devices)},
		{"guest.firmware", badPackage(harness.Spec{Firmware: c.Guest.Firmware}.FirmwarePackages()) == "", badPackage(harness.Spec{Firmware: c.Guest.Firmware}.FirmwarePackages())},
		{"guest.modules", badModule(c.Guest.Modules, ownModule) == "", badModule(c.Guest.Modules, ownModule)},
		{"guest.plug", badPlug(c.Guest.plugs()) == "", badPlug(c.Guest.plugs())},
		{"guest.host_devices", badHostDevice(c.Guest.HostDevices) == "", badHostDevice(c.Guest.HostDevices)},
		{"guest.timeout", time.Second <= timeout && timeout <= 24*time.Hour, "a text from \"1s\" to \"24h\""},
		{"checks.exclude", badPattern(c.Checks.Exclude) == "", badPattern(c.Checks.Exclude)},
		{"checks.fails", badFails(c.Checks.Fails) == "", badFails(c.Checks.Fails)},
		{"debian.mirror", isAddress(c.Debian.Mirror), "an address that starts with http://, https:// or file://"},
		{"debian.security_mirror", isAddress(c.Debian.SecurityMirror), "an address that starts with http://, https:// or file://"},
	}
	for _, r := range rules {
		if !r.ok {
			return fmt.Errorf("%d: %s: %s", lines[r.key], r.key, r.want)
		}
	}
	return nil
}

// hostMiB is the memory of this machine; a terabyte where nobody knows.
func hostMiB() int {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 1 << 20
	}
	return int(info.Totalram * uint64(info.Unit) >> 20)
}

// notAssignment reports whether s is anything but NAME=VALUE with a name that make and the kernel both take.
func notAssignment(s string) bool {
	name, _, ok := strings.Cut(s, "=")
	return !ok || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") != "" ||
		strings.ContainsAny(s, "\n\x00")
}

func isAddress(s string) bool {
	return s == "" || slices.ContainsFunc([]string{"http://", "https://", "file://"}, func(p string) bool {
		return strings.HasPrefix(s, p) && !strings.ContainsAny(s, " \t\n")
	})
}

var kernelModule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// ownModule is what guest.modules names.
const ownModule = "a module of the kernel's own"

// maxPackages bounds what a file may have installed.
const maxPackages = 64

// badPackage, badDevice, badModule and badPlug say what is wrong with the first row that is none; empty: nothing.
func badDevice(rows []string) string {
	for _, row := range rows {
		if err := vm.CheckDevice(row); err != nil {
			return oneLine(err.Error())
		}
	}
	return ""
}

func badPackage(names []string) string {
	if len(names) > maxPackages {
		return fmt.Sprintf("at most %d packages", maxPackages)
	}
	if err := kernels.CheckPackageNames(names); err != nil {
		return err.Error()
	}
	if i := slices.IndexFunc(names, func(name string) bool { return strings.Contains(name, "=") }); i >= 0 {
		return fmt.Sprintf("%q: write the name alone, the kernel's suite has one version", names[i])
	}
	return ""
}

// badFails says what is wrong with the table of what fails which check; empty: nothing.
func badFails(table map[string]string) string {
	levels := append(slices.Clone(results.Levels), harness.CheckNever)
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if !slices.Contains(checks.Names(), name) {
			return fmt.Sprintf("there is no check %q%s", name, Hint(name, checks.Names(), "there are "+strings.Join(checks.Names(), ", ")))
		}
		if !slices.Contains(levels, results.Level(table[name])) {
			return fmt.Sprintf("%s: %q is none of error, warning, note and never", name, table[name])
		}
	}
	return ""
}

// badPattern says what is wrong with a list of patterns; empty if nothing is.
func badPattern(patterns []string) string {
	for _, pattern := range patterns {
		if _, err := path.Match(pattern, ""); err != nil || strings.Trim(pattern, "/") == "" {
			return fmt.Sprintf("%q is no pattern: write it like \"*.bin\" or \"doc/old\"", pattern)
		}
	}
	return ""
}

func badModule(names []string, what string) string {
	for _, name := range names {
		if !kernelModule.MatchString(name) {
			return fmt.Sprintf("%q is no name of %s: write it like \"gpio-sim\"", name, what)
		}
	}
	return ""
}

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

func badHostDevice(texts []string) string {
	for _, text := range texts {
		if _, err := hostdevice.Parse(text); err != nil {
			return oneLine(err.Error())
		}
	}
	if len(texts) > hostdevice.Max {
		return fmt.Sprintf("at most %d devices can be handed over", hostdevice.Max)
	}
	return ""
}

// Hint completes an error about an unknown word: it proposes the nearest of known, or else says otherwise.
func Hint(word string, known []string, otherwise string) string {
	if near := nearest(word, known); near != "" {
		return fmt.Sprintf(" — did you mean %q?", near)
	}
	return "; " + otherwise
}

// nearest returns the one of known that is nearest to word, if it is near enough to be a typo, and "" otherwise.
func nearest(word string, known []string) string {
	best, least := "", 1+max(len(word)/3, 1)
	for _, k := range known {
		if d := distance(word, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters to add, drop, change or swap with their neighbour to get from a to b (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	var above, row []int
	next := make([]int, len(y)+1)
	for j := range next {
		next[j] = j
	}
	for i := range x {
		above, row, next = row, next, make([]int, len(y)+1)
		next[0] = i + 1
		for j := range y {
			change := row[j]
			if x[i] != y[j] {
				change++
			}
			next[j+1] = min(change, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				next[j+1] = min(next[j+1], above[j-1]+1)
			}
		}
	}
	return next[len(y)]
}
