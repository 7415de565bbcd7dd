// Package config reads modmatrix.toml and modmatrix.lock and merges them with the flags of a command line to a
// harness.Spec. All that a user can mistype is found here, with the place where it stands and a proposal.
//
// The package must never know how a run goes: it resolves no selector, looks into no module and starts nothing. It must not
// know cobra either: which flags there are is the business of cmd.
package config

import (
	"bytes"
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// DefaultKernels are those of a run that names none: the newest kernel of every Debian series still in use.
var DefaultKernels = []kernels.Selector{{Source: "debian", Name: "bullseye"}, {Source: "debian", Name: "bookworm"}, {Source: "debian", Name: "trixie"},
	{Source: "debian", Name: "trixie-backports"}}

// maxConfig bounds the file, in bytes; a real one has a screenful.
const maxConfig = 1 << 20

// Documented is a modmatrix.toml with every key, what it is for, and its default; what users rarely change is commented out.
//
//go:embed modmatrix.toml
var Documented string

// Config is modmatrix.toml; what the file leaves out is as in Default.
type Config struct {
	Kernels    []kernels.Selector `toml:"kernels"`
	Arch       []string           `toml:"arch"`
	Suites     []string           `toml:"suites"`
	Params     []string           `toml:"params"`
	Make       []string           `toml:"make"`
	Out        string             `toml:"out"`
	Jobs       int                `toml:"jobs"`
	RequireKVM bool               `toml:"require_kvm"`
	Build      Build              `toml:"build"`
	Module     Module             `toml:"module"`
	Guest      Guest              `toml:"guest"`
	Checks     Checks             `toml:"checks"`
	Debian     Debian             `toml:"debian"`

	// Sets and Required come from a table [kernels], whose key default is Kernels then.
	Sets     map[string][]kernels.Selector `toml:"-"` // by name; -k @NAME takes one
	Required []kernels.Selector            `toml:"-"` // those whose kernels must not be missing

	// Lock is the path of the lock beside the file; empty where neither can be.
	Lock string `toml:"-"`

	// Ready are the names of the suites that need no folder: those of a bundle.
	Ready []string `toml:"-"`

	dir    string // the folder that the file lies in; empty without a file
	text   []byte // of the file
	bundle string // the bundle that the file came in, as the user names it; empty: it lies in a module's folder
}

// Build is the table [build].
type Build struct {
	Packages []string `toml:"packages"` // of Debian, to have in the root that the module is built in
}

// Module is the table [module].
type Module struct {
	Load    []string `toml:"load"`    // which to load of several, with what they depend on; empty: all that are installed
	Exclude []string `toml:"exclude"` // what of its folder is none of its source
}

// Guest is the table [guest].
type Guest struct {
	MemoryMiB int               `toml:"memory_mib"`
	CPUs      int               `toml:"cpus"`
	Devices   []string          `toml:"devices"`
	Plug      map[string]string `toml:"plug"`
	Modules   []string          `toml:"modules"`
	Firmware  string            `toml:"firmware"`
	// HostDevices are what the author wants tested with the module. No file hands a device over: the command line must name it.
	HostDevices []string `toml:"host_devices"`
	Timeout     Duration `toml:"timeout"`
}

// firmwareDir is the folder of firmware; empty where there is none, or packages are named.
func (g Guest) firmwareDir() string {
	if (harness.Spec{Firmware: g.Firmware}).FirmwarePackages() != nil {
		return ""
	}
	return g.Firmware
}

// plugs are the devices to plug in as "NAME=ROW", sorted by name.
func (g Guest) plugs() []string { return rowsOf(g.Plug) }

// rowsOf is a table as "NAME=VALUE", sorted by name.
func rowsOf(table map[string]string) (rows []string) {
	for _, name := range slices.Sorted(maps.Keys(table)) {
		rows = append(rows, name+"="+table[name])
	}
	return rows
}

// Checks is the table [checks].
type Checks struct {
	Exclude []string          `toml:"exclude"` // what of the source is not checked
	Fails   map[string]string `toml:"fails"`   // by check: the least bad level of findings that fails it
}

// fails are its rows as "NAME=LEVEL", sorted.
func (c Checks) fails() []string { return rowsOf(c.Fails) }

// Debian is the table [debian].
type Debian struct {
	Mirror         string `toml:"mirror"`
	SecurityMirror string `toml:"security_mirror"`
}

// Duration is a time.Duration that is written as text, e.g. "10m".
type Duration time.Duration

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no duration: write it like 90s or 10m", text)
	}
	*d = Duration(v)
	return nil
}

// Default is the configuration of a folder without a file.
func Default() Config {
	spec := harness.Spec{}.WithDefaults()
	return Config{
		Kernels: DefaultKernels,
		Arch:    []string{},
		Suites:  []string{harness.Lifecycle},
		Params:  []string{},
		Make:    []string{},
		Out:     harness.OutName,
		Build:   Build{Packages: []string{}},
		Module:  Module{Load: []string{}, Exclude: []string{}},
		Checks:  Checks{Exclude: []string{}, Fails: map[string]string{}},
		Guest:   Guest{MemoryMiB: spec.MemoryMiB, CPUs: spec.CPUs, Devices: []string{}, HostDevices: []string{}, Modules: []string{}, Plug: map[string]string{}, Timeout: Duration(spec.Timeout)},
	}
}

// Load reads the configuration at path; a missing file is the default. Paths in it are made relative to its folder. An
// error is one line that names file, line and cure, as a *harness.UsageError.
func Load(path string) (Config, error) {
	return Default().load(filepath.Dir(path), filepath.Base(path), path)
}

// LoadBundle is Load for a bundle that was opened in the folder dir and that the user calls name; ready are the suites in it.
func LoadBundle(dir, name string, ready []string) (Config, error) {
	c := Default()
	c.Ready, c.bundle = ready, name
	return c.load(dir, harness.ConfigName, name+": "+harness.ConfigName)
}

func (c Config) load(dir, name, shown string) (Config, error) {
	c.Lock = filepath.Join(dir, harness.LockName)
	data, err := kernels.ReadFileIn(dir, name, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, &harness.UsageError{Err: err}
	}
	file, err := parseConfig(data)
	file.Ready, file.bundle, file.Lock, file.dir, file.text = c.Ready, c.bundle, c.Lock, dir, data
	if err != nil {
		return file, &harness.UsageError{Err: fmt.Errorf("%s:%w", shown, err)}
	}
	file.resolve(dir)
	return file, nil
}

// resolve makes the paths of c that lie relative to dir usable from where we are. A bundle has no folders but that of its firmware.
func (c *Config) resolve(dir string) {
	c.Suites = slices.Clone(c.Suites)
	for i, s := range c.Suites {
		if s != harness.Lifecycle && s != results.Checks && c.bundle == "" && !filepath.IsAbs(s) {
			c.Suites[i] = filepath.Join(dir, s)
		}
	}
	if c.Out != harness.OutName && c.bundle == "" && !filepath.IsAbs(c.Out) {
		c.Out = filepath.Join(dir, c.Out)
	}
	if c.Guest.firmwareDir() != "" && !filepath.IsAbs(c.Guest.Firmware) {
		c.Guest.Firmware = filepath.Join(dir, c.Guest.Firmware)
	}
}

// parseConfig reads the text of a file. Its errors begin with the line: "3: unknown key …".
func parseConfig(data []byte) (Config, error) {
	file := setsFile{Config: Default()}
	into, sets := any(&file.Config), hasSets(data)
	if sets {
		into = &file
	}
	err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(into)
	c := file.Config
	if sets {
		c = file.config()
	}
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		return c, unknownKey(&strict.Errors[0])
	}
	if bad, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := bad.Position()
		text := oneLine(bad.Error())
		if key := strings.Join(bad.Key(), "."); key != "" {
			text = key + ": " + text
		}
		return c, fmt.Errorf("%d: %s", line, text)
	}
	if err != nil {
		return c, fmt.Errorf("1: %s", oneLine(err.Error()))
	}
	lines := linesOf(data)
	return c, cmp.Or(c.checkKernels(lines), c.check(lines))
}
