package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/harness"
)

func TestEveryKeyIsDocumented(t *testing.T) {
	for _, key := range configKeys {
		name := key[strings.LastIndexByte(key, '.')+1:]
		if before, _, ok := strings.Cut(Documented, name); !ok || !strings.Contains(lastLines(before, 2), "# ") {
			t.Errorf("%s is not there with a comment before it", key)
		}
	}
}

func lastLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// uncomment makes every value that stands in a comment count.
func uncomment(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		bare, comment := strings.CutPrefix(line, "# ")
		key, _, assigns := strings.Cut(bare, " = ")
		if comment && assigns && !strings.Contains(key, " ") {
			line = bare
		}
		b.WriteString(line)
	}
	return b.String()
}

func TestTheDocumentedFileIsTheDefault(t *testing.T) {
	for _, text := range []string{Documented, uncomment(Documented)} {
		c, err := parseConfig([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(c, Default()) {
			t.Errorf("got %+v, want %+v", c, Default())
		}
	}
	if lines := linesOf([]byte(uncomment(Documented))); len(lines) != len(configKeys) {
		t.Errorf("keys %v, of which the file has %v", configKeys, lines)
	}
}

func TestConfigMistakesAreOneLineWithACure(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"kernls = []", `modmatrix.toml:1: unknown key "kernls" — did you mean "kernels"?`},
		{"\n[guest]\nmemory_mb = 1", `modmatrix.toml:3: unknown key "guest.memory_mb" — did you mean "guest.memory_mib"?`},
		{"timeout = '5m'", `modmatrix.toml:1: unknown key "timeout" — did you mean "guest.timeout"?`},
		{"[guest]\njobs = 2", `modmatrix.toml:2: unknown key "guest.jobs" — did you mean "jobs"?`},
		{"[gest]\ncpus = 2", `modmatrix.toml:1: unknown key "gest" — did you mean "guest"?`},
		{"colour = 1", `modmatrix.toml:1: unknown key "colour"; known are kernels, arch, suites, params, make, out, jobs, require_kvm, build, build.packages, module, module.load, module.exclude, guest, guest.memory_mib, guest.cpus, guest.devices, guest.plug, guest.modules, guest.firmware, guest.host_devices, guest.timeout, checks, checks.exclude, checks.fails, debian, debian.mirror, debian.security_mirror`},
		{"\n\njobs = 'many'", "modmatrix.toml:3: jobs: a whole number belongs here, not the type string"},
		{"kernels = 'debian:trixie'", "modmatrix.toml:1: kernels: a list of texts belongs here, not the type string"},
		{"require_kvm = 1", "modmatrix.toml:1: require_kvm: true or false belongs here, not the type integer"},
		{"guest = 1", "modmatrix.toml:1: guest: a table belongs here, not the type integer"},
		{"[guest]\ntimeout = 10", `modmatrix.toml:2: guest.timeout: a text from "1s" to "24h"`},
		{"jobs = -1", "modmatrix.toml:1: jobs: from 0 to 1024"},
		{"jobs = 1025", "modmatrix.toml:1: jobs: from 0 to 1024"},
		{"out = ''", "modmatrix.toml:1: out: the name of a folder"},
		{"kernels = []", "modmatrix.toml:1: kernels: name at least one kernel, or leave the key out"},
		{"# x\nkernels = ['debian']", `modmatrix.toml:2: kernels: selector "debian": at its end: ':' and a name follow debian`},
		{"[kernels]\ndefault = 'debian:sid'", "modmatrix.toml:2: kernels.default: a list of texts belongs here, not the type string"},
		{"[kernels]\ndefault = []", "modmatrix.toml:2: kernels.default: name at least one kernel, or leave the key out"},
		{"[kernels]\n\nfield = ['host', 'debian']", `modmatrix.toml:3: kernels.field: selector "debian": at its end: ':' and a name follow debian`},
		{"[kernels]\n'My Set' = ['host']", `modmatrix.toml:2: kernels: the name of a set, "My Set", starts with a letter and holds a-z, 0-9 and '-'`},
		{"[kernels]\nfield = ['host']\n[gest]", `modmatrix.toml:3: unknown key "gest" — did you mean "guest"?`},
		{"[kernels]\nfield = ['host']\n[guest]\ncpus = 0", "modmatrix.toml:4: guest.cpus: from 1 to 256"},
		{"suites = []", "modmatrix.toml:1: suites: name at least one suite, or leave the key out"},
		{"params = ['debug']", `modmatrix.toml:1: params: each is a text like "name=value"`},
		{"make = ['$(shell rm)=1']", `modmatrix.toml:1: make: each is a text like "NAME=VALUE"`},
		{"[guest]\nmemory_mib = 63", fmt.Sprintf("modmatrix.toml:2: guest.memory_mib: from 64 to %d, which is the memory of this machine", hostMiB())},
		{fmt.Sprintf("guest.memory_mib = %d", hostMiB()+1), fmt.Sprintf("modmatrix.toml:1: guest.memory_mib: from 64 to %d, which is the memory of this machine", hostMiB())},
		{"[guest]\ncpus = 0", "modmatrix.toml:2: guest.cpus: from 1 to 256"},
		{"[guest]\ndevices = ['edu', 'vfio-pci,host=0']", `modmatrix.toml:2: guest.devices: device "vfio-pci,host=0": vfio-pci reaches out of the guest: take one that QEMU emulates`},
		{"[guest]\ndevices = 'edu'", "modmatrix.toml:2: guest.devices: a list of texts belongs here, not the type string"},
		{"[guest]\nmodules = ['../gpio-sim']", `modmatrix.toml:2: guest.modules: "../gpio-sim" is no name of a module of the kernel's own: write it like "gpio-sim"`},
		{"[module]\nload = ['a', 'b c']", `modmatrix.toml:2: module.load: "b c" is no name of a module: write it like "gpio-sim"`},
		{"[module]\nexclude = ['*.o', '[']", `modmatrix.toml:2: module.exclude: "[" is no pattern: write it like "*.bin" or "doc/old"`},
		{"[guest.plug]\nkbd = 'usb-host'", `modmatrix.toml:1: guest.plug: device "usb-host": usb-host reaches out of the guest: take one that QEMU emulates`},
		{"[guest]\nplug = { 'a b' = 'edu' }", `modmatrix.toml:2: guest.plug: "a b" is no name for a device: up to 32 letters, digits, _ and -`},
		{"[guest]\nplug = { a = 'edu,id=x' }", `modmatrix.toml:2: guest.plug: device "edu,id=x": leave the id out: its name is a`},
		{"[guest]\nplug = ['edu']", `modmatrix.toml:2: guest.plug: a table of texts belongs here, not the type array`},
		{"[guest]\n\ntimeout = '0s'", `modmatrix.toml:3: guest.timeout: a text from "1s" to "24h"`},
		{"[guest]\ntimeout = 'soon'", `modmatrix.toml:2: guest.timeout: "soon" is no duration: write it like 90s or 10m`},
		{"[checks]\nfails = { checkpach = 'error' }", `modmatrix.toml:2: checks.fails: there is no check "checkpach" — did you mean "checkpatch"?`},
		{"[checks]\nfails = { sparse = 'fatal' }", `modmatrix.toml:2: checks.fails: sparse: "fatal" is none of error, warning, note and never`},
		{"[debian]\nmirror = 'archive'", "modmatrix.toml:2: debian.mirror: an address that starts with http://, https:// or file://"},
		{"arch = ['arm64', 'aarch64']", `modmatrix.toml:1: arch: unknown architecture "aarch64" — did you mean "arm64"?`},
		{"jobs = 1\narch = 'arm64'", "modmatrix.toml:2: arch: a list of texts belongs here, not the type string"},
		{"kernels = [", "modmatrix.toml:1: array is incomplete"},
		{"jobs = 1\njobs = 2", "modmatrix.toml:2: "},
	} {
		path := filepath.Join(t.TempDir(), harness.ConfigName)
		if err := os.WriteFile(path, []byte(tc.text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		if err == nil {
			t.Errorf("%q: no error", tc.text)
			continue
		}
		if _, ok := errors.AsType[*harness.UsageError](err); !ok {
			t.Errorf("%q: %T", tc.text, err)
		}
		got := strings.TrimPrefix(err.Error(), filepath.Dir(path)+"/")
		if got != tc.want && !(strings.HasSuffix(tc.want, " ") && strings.HasPrefix(got, tc.want)) {
			t.Errorf("%q:\n got %s\nwant %s", tc.text, got, tc.want)
		}
		if strings.Contains(got, "\n") {
			t.Errorf("%q: more than one line: %s", tc.text, got)
		}
	}
}

func TestPathsInTheFileAreRelativeToIt(t *testing.T) {
	dir := t.TempDir()
	text := "suites = ['lifecycle', 'suites/first', '/abs/second']\nout = 'out'\n"
	if err := os.WriteFile(filepath.Join(dir, harness.ConfigName), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Load(filepath.Join(dir, harness.ConfigName))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"lifecycle", dir + "/suites/first", "/abs/second"}; !reflect.DeepEqual(c.Suites, want) {
		t.Errorf("suites %q, want %q", c.Suites, want)
	}
	if c.Out != dir+"/out" {
		t.Errorf("out %q", c.Out)
	}
	want := Default()
	want.Lock = filepath.Join(dir, harness.LockName)
	if c, err = Load(filepath.Join(dir, "absent.toml")); err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("without a file: %+v, %v", c, err)
	}
}

func TestFlagsWin(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"suites/first", "suites/second", "elsewhere/third"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := Default()
	c.Suites = []string{harness.Lifecycle, filepath.Join(dir, "elsewhere/third")}
	c.Params, c.Make = []string{"debug=1", "card=2"}, []string{"W=1"}
	s, err := c.Spec(Flags{Spec: harness.Spec{Module: dir, Params: []string{"debug=0"}, Jobs: 3,
		Suites: []string{"third", "second", filepath.Join(dir, "suites/first")}, Timeout: time.Minute, Out: "there"}, Kernels: []string{"debian:trixie"}})
	if err != nil {
		t.Fatal(err)
	}
	want := harness.Spec{Module: dir, Kernels: sel("debian:trixie"), Params: []string{"card=2", "debug=0"}, Make: []string{"W=1"}, Jobs: 3,
		Suites:  []string{dir + "/elsewhere/third", dir + "/suites/second", dir + "/suites/first"},
		Timeout: time.Minute, Out: "there", MemoryMiB: 256, CPUs: 1}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got\n%+v, want\n%+v", s, want)
	}
	_, err = c.Spec(Flags{Spec: harness.Spec{Module: dir, Suites: []string{"thrd"}}})
	if err == nil || err.Error() != `unknown suite "thrd": no such folder — did you mean "third"?` {
		t.Errorf("got %v", err)
	}
}

func TestSetsOfKernels(t *testing.T) {
	c, err := parseConfig([]byte("jobs = 3\n[kernels]\ndefault = ['debian:trixie']\nsubmission = ['debian:all', 'dir:/l']\nfield = ['host']\nrequired = ['debian:sid', 'debian:trixie']\n[guest]\ncpus = 2\n"))
	if err != nil || c.Jobs != 3 || c.Guest.CPUs != 2 || c.Guest.MemoryMiB != 256 {
		t.Fatalf("%+v %v", c, err)
	}
	for _, tc := range []struct {
		given string
		want  string
	}{
		{"", "debian:trixie debian:sid"},
		{"@default", "debian:trixie debian:sid"},
		{"@required", "debian:sid debian:trixie"},
		{"@submission", "debian:all dir:/l"},
		{"@field debian:sid @submission", "host debian:sid debian:all dir:/l"},
		{"debian:bookworm", "debian:bookworm"},
		{"@feld", `unknown set of kernels @feld — did you mean "@field"?`},
		{"@x", "unknown set of kernels @x; modmatrix.toml has @field, @submission, @default"},
		{"debain:x", `selector "debain:x": at character 1 ('d'): a source is one of debian, dir, git, here, host, tar`},
	} {
		s, err := c.Spec(Flags{Kernels: strings.Fields(tc.given)})
		got := strings.Trim(fmt.Sprint(s.Kernels), "[]")
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%q: %s", tc.given, got)
		}
		if _, ok := errors.AsType[*harness.UsageError](err); err != nil && !ok {
			t.Errorf("%q: %T", tc.given, err)
		}
	}
	if s, _ := c.Spec(Flags{}); fmt.Sprint(s.Required) != "[debian:sid debian:trixie]" {
		t.Errorf("required: %v", s.Required)
	}
	if c, err = parseConfig([]byte("[kernels]\nfield = ['host']\n")); err != nil || !reflect.DeepEqual(c.Kernels, DefaultKernels) {
		t.Errorf("without a default: %q %v", c.Kernels, err)
	}
}

func TestNothingGivenIsTheFile(t *testing.T) {
	s, err := Default().Spec(Flags{})
	if err != nil {
		t.Fatal(err)
	}
	want := harness.Spec{Module: ".", Kernels: DefaultKernels, Suites: []string{harness.Lifecycle}, Out: "modmatrix-out", Timeout: 10 * time.Minute,
		MemoryMiB: 256, CPUs: 1}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got\n%+v, want\n%+v", s, want)
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"kernels", "suites", "jobs", "lifecycle"}
	for word, want := range map[string]string{"kernls": "kernels", "lifecicle": "lifecycle", "job": "jobs", "out": "", "jbos": "jobs", "": "", "x": ""} {
		if got := nearest(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

// FuzzRestrict: whatever a file says, nothing of this machine is left of it unasked.
func FuzzRestrict(f *testing.F) {
	f.Add("kernels = ['dir:x', 'debian:sid']\nout = '/x'\nsuites = ['../x']\n[debian]\nmirror = 'file:///x'")
	f.Add("[kernels]\ndefault = ['host']\nmine = ['git:x@v1+kasan', 'tar:x']\nrequired = ['host']")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseConfig([]byte(text))
		if err != nil {
			return
		}
		c.dir = t.TempDir()
		c.resolve(c.dir)
		kept, note, err := c.Restrict(Flags{})
		if err != nil {
			return
		}
		if strings.ContainsAny(note, "\n") && !strings.Contains(text, "\\") {
			t.Errorf("%q", note)
		}
		for _, sel := range kept.Selectors() {
			if sel.Local() {
				t.Errorf("%q leaves %s", text, sel)
			}
		}
		if !kept.isInFolder(kept.Out) || kept.Debian.Mirror+kept.Debian.SecurityMirror != "" {
			t.Errorf("%q leaves %+v", text, kept)
		}
	})
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("kernels = ['debian:trixie']\n[guest]\ncpus = 2\ntimeout = '5m'\n"))
	f.Add([]byte("kernls = 1"))
	f.Add([]byte("[kernels]\ndefault = ['host']\nrequired = ['host']\nx = ['debian:all']\n"))
	f.Add([]byte("guest = { cpus = 0 }\n[[suites]]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseConfig(data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") || err.Error()[0] < '0' || err.Error()[0] > '9' {
				t.Errorf("not one line that begins with a number: %q", err)
			}
			return
		}
		if c.Guest.CPUs < 1 || len(c.Kernels) == 0 || len(c.Suites) == 0 || c.Out == "" {
			t.Errorf("accepted %+v", c)
		}
	})
}

// TestBuildPackagesAreNames: what a file has installed for the build is packages, by names that apt takes for nothing else; those of the
// command line are added.
func TestBuildPackagesAreNames(t *testing.T) {
	for _, bad := range []string{"-oDir::Etc=x", "./x.deb", "/etc/passwd", "xxd=1", "xxd | y", "xxd -y", "Xxd", "", "x;y", "~n", "$(x)"} {
		if _, err := parseConfig(fmt.Appendf(nil, "[build]\npackages = [%q]\n", bad)); err == nil || !strings.HasPrefix(err.Error(), "2: build.packages: ") {
			t.Errorf("%q: %v", bad, err)
		}
		if _, err := Default().Spec(Flags{Spec: harness.Spec{Packages: []string{bad}}}); err == nil || !strings.Contains(err.Error(), "--build-package: ") {
			t.Errorf("--build-package %q: %v", bad, err)
		}
	}
	c, err := parseConfig([]byte("[build]\npackages = ['xxd', 'g++']\n"))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := c.Spec(Flags{Spec: harness.Spec{Packages: []string{"git", "xxd"}}})
	if want := "[g++ git xxd]"; err != nil || fmt.Sprint(spec.Packages) != want {
		t.Errorf("%v, %v", spec.Packages, err)
	}
	if _, err := parseConfig([]byte("[build]\npackages = ['" + strings.Repeat("xxd', '", 70) + "a1']\n")); err == nil {
		t.Error("any number of packages may be named")
	}
}
