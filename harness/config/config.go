package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
)

// DefaultKernels are those of a run that names none: the newest kernel of every Debian series still in use.
var DefaultKernels = []kernels.Selector{{Source: "debian", Name: "bullseye"}, {Source: "debian", Name: "bookworm"}, {Source: "debian", Name: "trixie"},
	{Source: "debian", Name: "trixie-backports"}}

// maxConfig bounds the file, in bytes; a real one has a screenful.
const maxConfig = 1 << 20

// Config is modmatrix.toml; what the file leaves out is as in Default. The comments are written into the file that init makes.
type Config struct {
	Kernels    []kernels.Selector `toml:"kernels" comment:"Which kernels to validate against: SOURCE:NAME[@VERSION][/FLAVOUR].\ndebian:bookworm is the newest kernel of that Debian series; debian:trixie@6.12.43 is a certain one,\nand debian:bookworm/cloud-amd64 one of another flavour. debian:all is the newest of every series, host the kernel that\nruns here, and dir:PATH one that was built by hand (these need -k or --trust). A table instead, [kernels], names sets: default = […] is what a run\ntakes, NAME = […] what -k @NAME takes, and required = […] what must not be missing."`
	Suites     []string           `toml:"suites" comment:"What to run on each of them: \"lifecycle\" (load, check, unload, several times), which fits every module,\nand folders of Ginkgo suites, relative to this file."`
	Params     []string           `toml:"params,commented" comment:"Parameters given to the module whenever it is loaded, as \"name=value\"."`
	Make       []string           `toml:"make,commented" comment:"Variables added to the command line of make, as \"NAME=VALUE\"."`
	Out        string             `toml:"out,commented" comment:"Folder for results.json, matrix.md and the logs, relative to this file and below its folder, or else given with -o. What an\nearlier run left in it is replaced."`
	Jobs       int                `toml:"jobs,commented" comment:"How many builds and guests run at once, 0 to 1024; 0 is one for each CPU."`
	RequireKVM bool               `toml:"require_kvm,commented" comment:"Refuse to fall back to emulation, which is slower and hides timing."`
	Guest      Guest              `toml:"guest" comment:"The virtual machine."`
	Debian     Debian             `toml:"debian" comment:"Where Debian's kernels come from."`

	// Sets and Required come from a table [kernels], whose key default is Kernels then.
	Sets     map[string][]kernels.Selector `toml:"-"` // by name; -k @NAME takes one
	Required []kernels.Selector            `toml:"-"` // those whose kernels must not be missing

	// Lock is the path of the lock beside the file; empty where neither can be.
	Lock string `toml:"-"`

	dir  string // the folder that the file lies in; empty without a file
	text []byte // of the file
}

// Guest is the table [guest].
type Guest struct {
	MemoryMiB int               `toml:"memory_mib,commented" comment:"Memory in MiB, from 64 to what this machine has."`
	CPUs      int               `toml:"cpus,commented" comment:"Processors, 1 to 256."`
	Devices   []string          `toml:"devices,commented" comment:"Stand-ins for the hardware that the module drives, each as QEMU's -device has it: \"edu\", \"qemu-xhci,id=x\",\n\"usb-mouse,bus=x.0\". qemu-system-x86_64 -device help lists them. Nothing of the host can be given."`
	Plug      map[string]string `toml:"plug,inline,commented" comment:"Stand-ins that are not there at boot, by names of your choice: { kbd = \"usb-kbd\", card = \"edu\" }. The suite lifecycle plugs\nthem in and pulls them while the module is loaded; a suite of yours does so with suites.Plug(\"kbd\") and suites.Unplug(\"kbd\").\nEach gets a PCI slot of its own or a USB port, unless its row names a bus. At most eight."`
	Modules   []string          `toml:"modules,commented" comment:"The kernel's own modules to load before the module: \"gpio-sim\", \"mac80211_hwsim\" … A kernel without one is skipped."`
	Timeout   Duration          `toml:"timeout,commented" comment:"From power-on to power-off, 1s to 24h; a guest that takes longer is ended."`
}

// plugs are the devices to plug in as "NAME=ROW", sorted by name.
func (g Guest) plugs() []string {
	var rows []string
	for _, name := range slices.Sorted(maps.Keys(g.Plug)) {
		rows = append(rows, name+"="+g.Plug[name])
	}
	return rows
}

// Debian is the table [debian].
type Debian struct {
	Mirror         string `toml:"mirror,commented" comment:"Address of the archive; empty: the one that this machine's own apt sources name."`
	SecurityMirror string `toml:"security_mirror,commented" comment:"Address of the security archive; empty: likewise."`
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

// MarshalText writes the shortest form: 10m, not 10m0s.
func (d Duration) MarshalText() ([]byte, error) {
	s := time.Duration(d).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = strings.TrimSuffix(s, zero[1:])
		}
	}
	return []byte(s), nil
}

// Default is the configuration of a folder without a file.
func Default() Config {
	spec := harness.Spec{}.WithDefaults()
	return Config{
		Kernels: DefaultKernels,
		Suites:  []string{harness.Lifecycle},
		Params:  []string{},
		Make:    []string{},
		Out:     harness.OutName,
		Guest:   Guest{MemoryMiB: spec.MemoryMiB, CPUs: spec.CPUs, Devices: []string{}, Modules: []string{}, Plug: map[string]string{}, Timeout: Duration(spec.Timeout)},
	}
}

// Write writes the configuration as a documented file: what a user is likely to change stands ready, the rest is commented out.
func (c Config) Write(w io.Writer) error {
	var b bytes.Buffer
	enc := toml.NewEncoder(&b).SetArraysMultiline(false)
	if err := enc.Encode(c); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	_, err := io.WriteString(w, airy.ReplaceAllString(b.String(), "$1\n#"))
	return err
}

// airy finds a value with a comment right below it, which belongs to the next key: a blank line goes between them.
var airy = regexp.MustCompile(`(?m)^((?:# )?[a-z_]+ = .*\n)#`)

// Load reads the configuration at path; a missing file is the default. Paths in it are made relative to its folder. An
// error is one line that names file, line and cure, as a *harness.UsageError.
func Load(path string) (Config, error) {
	c := Default()
	c.Lock = filepath.Join(filepath.Dir(path), harness.LockName)
	data, err := kernels.ReadFileIn(filepath.Dir(path), filepath.Base(path), maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, &harness.UsageError{Err: err}
	}
	if c, err = parseConfig(data); err != nil {
		return c, &harness.UsageError{Err: fmt.Errorf("%s:%w", path, err)}
	}
	c.Lock = filepath.Join(filepath.Dir(path), harness.LockName)
	c.dir, c.text = filepath.Dir(path), data
	c.resolve(c.dir)
	return c, nil
}

// resolve makes the paths of c that lie relative to dir usable from where we are.
func (c *Config) resolve(dir string) {
	c.Suites = slices.Clone(c.Suites)
	for i, s := range c.Suites {
		if s != harness.Lifecycle && !filepath.IsAbs(s) {
			c.Suites[i] = filepath.Join(dir, s)
		}
	}
	if c.Out != harness.OutName && !filepath.IsAbs(c.Out) {
		c.Out = filepath.Join(dir, c.Out)
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
