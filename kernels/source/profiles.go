package source

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/results/arch"
)

//go:embed profiles/*.config
var builtin embed.FS

// base is the fragment that every kernel has, and whole the profile that starts from the architecture's own defconfig.
const (
	base  = "base"
	whole = "defconfig"
)

var quarrels = []struct{ a, b, why string }{
	{"kasan", "kcsan", "both instrument every access (KCSAN depends on !KASAN)"},
	{"kcsan", "nosmp", "a race needs two processors"},
	{"kcsan", "rt", "KCSAN reports PREEMPT_RT's own locks"},
	{"debug", "rt", "debug asks for PREEMPT, which PREEMPT_RT replaces"},
	{"preempt", "rt", "preempt asks for PREEMPT, which PREEMPT_RT replaces"},
}

// request is what a configuration is asked to be.
type request struct {
	whole           bool      // starts from defconfig
	wanted          []setting // each symbol once, with its last word
	clang           bool      // of any profile
	moreMiB, slower int       // of all together, as a target has them
}

type fragment struct {
	lines   []setting
	clang   bool // the kernel is to be compiled by LLVM
	moreMiB int  // of memory, that a guest needs for it
	slower  int  // how many times everything takes longer in it; zero is once
}

type setting struct {
	symbol   string // without CONFIG_
	value    string // as it is written, with quotes; n for "is not set"
	optional bool   // a kernel that cannot is good, too
	by       string // the profile's name
}

// Profiles are the names that selectors may have after '+', sorted.
func (s *Source) Profiles() []string {
	names := []string{whole}
	files, _ := fs.Glob(s.profiles, "profiles/*.config")
	for _, file := range files {
		names = append(names, strings.TrimSuffix(path.Base(file), ".config"))
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == base })
}

// fragments reads the base and the named profiles, as they are for a. Errors wrap kernels.ErrNoMatch.
func (s *Source) fragments(profiles []string, a arch.Arch) (r request, err error) {
	for _, q := range quarrels {
		if slices.Contains(profiles, q.a) && slices.Contains(profiles, q.b) {
			return r, fmt.Errorf("%w: profiles %s and %s exclude each other: %s; name two kernels, one with each", kernels.ErrNoMatch, q.a, q.b, q.why)
		}
	}
	for _, name := range append([]string{base}, profiles...) {
		if name == whole {
			r.whole = true
			continue
		}
		text, err := fs.ReadFile(s.profiles, "profiles/"+name+".config")
		if errors.Is(err, fs.ErrNotExist) {
			return r, fmt.Errorf("%w: no profile %s; there are %s", kernels.ErrNoMatch, name, strings.Join(s.Profiles(), " "))
		}
		if err != nil {
			return r, fmt.Errorf("read profile %s: %w", name, err)
		}
		f, err := parseFragment(name, string(text), a)
		if err != nil {
			return r, fmt.Errorf("%w: %w", kernels.ErrNoMatch, err)
		}
		if err := r.add(f); err != nil {
			return r, err
		}
	}
	return r, nil
}

var (
	setLine   = regexp.MustCompile(`^CONFIG_([A-Za-z0-9_]+)=(y|m|n|-?\d+|0x[0-9a-fA-F]+|"[^"]*")$`)
	unsetLine = regexp.MustCompile(`^# CONFIG_([A-Za-z0-9_]+) is not set$`)
)

// onMachine reports whether a comment lets the lines below it be for a: any does that does not begin as "on amd64 arm64:" does.
func onMachine(comment string, a arch.Arch) (bool, error) {
	words, _, named := strings.Cut(comment, ":")
	names, begins := strings.CutPrefix(words, "on ")
	if !named || !begins {
		return true, nil
	}
	on := false
	for _, name := range strings.Fields(names) {
		row, ok := arch.Named(name)
		if !ok || row.Debian != name {
			return false, fmt.Errorf("%s is no architecture; they are %s", name, strings.Join(arch.Names(), " "))
		}
		on = on || row.Name == a.Name
	}
	return on, nil
}

// parseFragment reads the lines of a fragment that are for a. A comment that begins with "optional:", or with "on", architectures in
// Debian's words and a colon, holds for the lines below it, until the next comment or empty line; both may be one. Two say what no
// symbol can: which compiler the kernel is for, and what its guests need.
//
//	# compiler: clang
//	# guest: 256 MiB more, 3 times slower
func parseFragment(name, text string, a arch.Arch) (f fragment, err error) {
	optional, on, n := false, true, 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		set, unset := setLine.FindStringSubmatch(line), unsetLine.FindStringSubmatch(line)
		switch {
		case (set != nil || unset != nil) && !on:
		case set != nil:
			f.lines = append(f.lines, setting{set[1], set[2], optional, name})
		case unset != nil:
			f.lines = append(f.lines, setting{unset[1], "n", optional, name})
		case line == "# compiler: clang" || line == "# compiler: gcc":
			f.clang = line == "# compiler: clang"
		case strings.HasPrefix(line, "# compiler:"):
			err = fmt.Errorf("%q: a compiler is clang or gcc", line)
		case strings.HasPrefix(line, "# guest:"):
			if read, _ := fmt.Sscanf(line, "# guest: %d MiB more, %d times slower", &f.moreMiB, &f.slower); read == 0 {
				err = fmt.Errorf("%q: write it like \"# guest: 256 MiB more, 3 times slower\"", line)
			}
		case line == "" || line[0] == '#':
			comment := strings.TrimPrefix(line, "# ")
			if optional = strings.HasPrefix(comment, "optional:"); optional {
				comment = strings.TrimSpace(strings.TrimPrefix(comment, "optional:"))
			}
			if on, err = onMachine(comment, a); err != nil {
				err = fmt.Errorf("%q: %w", line, err)
			}
		default:
			err = fmt.Errorf("%q is neither CONFIG_X=VALUE, nor \"# CONFIG_X is not set\", nor a comment", line)
		}
		if err != nil {
			return f, fmt.Errorf("profile %s, line %d: %w", name, n, err)
		}
	}
	return f, nil
}

// String is the request as a file for the kernel's own configuration (KCONFIG_ALLCONFIG). What it says is what a tree is
// made of, with the source and the compiler.
func (r request) String() string {
	var b strings.Builder
	for _, l := range r.wanted {
		if l.value == "n" {
			fmt.Fprintf(&b, "# CONFIG_%s is not set\n", l.symbol)
		} else {
			fmt.Fprintf(&b, "CONFIG_%s=%s\n", l.symbol, l.value)
		}
	}
	return b.String()
}

func (r request) missed(config kconfig.Config) []setting {
	var missed []setting
	for _, l := range r.wanted {
		have := config.Value(l.symbol)
		if l.value == "n" && have == "" || have == strings.Trim(l.value, `"`) || l.optional {
			continue
		}
		missed = append(missed, l)
	}
	return missed
}

func (r request) origin(symbol string) string {
	for _, l := range r.wanted {
		if l.symbol == symbol {
			return l.by
		}
	}
	return ""
}

// maxSlower bounds slower: a guest that hangs in the slowest of kernels must end, too.
const maxSlower = 20

// add adds a profile: what its guests need they need besides, and what it checks, it checks in what the others do. It is an error
// when two profiles want different things of one symbol; the base gives way to all.
func (r *request) add(f fragment) error {
	for _, l := range f.lines {
		i := slices.IndexFunc(r.wanted, func(o setting) bool { return o.symbol == l.symbol })
		if i < 0 {
			r.wanted = append(r.wanted, l)
			continue
		}
		if o := r.wanted[i]; o.by != base && o.value != l.value {
			return fmt.Errorf("%w: profiles %s and %s exclude each other: CONFIG_%s is %s in one and %s in the other",
				kernels.ErrNoMatch, o.by, l.by, l.symbol, o.value, l.value)
		}
		r.wanted[i] = l
	}
	r.clang = r.clang || f.clang
	r.moreMiB += f.moreMiB
	if f.slower > 1 {
		r.slower = min(max(r.slower, 1)*f.slower, maxSlower)
	}
	return nil
}
