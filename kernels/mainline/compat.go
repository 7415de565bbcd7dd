package mainline

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
)

var (
	directive   = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*(?:el)?if(?:[^\n\\]|\\(?s:.))*`)
	versionOf   = regexp.MustCompile(`\bKERNEL_VERSION[ \t]*\([ \t]*(\d+)[ \t]*,[ \t]*(\d+)[ \t]*,[ \t]*(\d+)[ \t]*\)`)
	defineLine  = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*define[ \t]+([A-Za-z_]\w*)([ \t(][^\n]*)?$`)
	depends     = regexp.MustCompile(`\b(LINUX_VERSION_CODE|KERNEL_VERSION|RHEL_\w+|UTS_UBUNTU_RELEASE_ABI|LINUX_VERSION_MAJOR|HAVE_\w+)\b`)
	versionFile = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*include[ \t]*[<"](?:linux/version|generated/utsrelease|generated/uapi/linux/version)\.h[>"][^\n]*\n`)
	codeUse     = regexp.MustCompile(`\b(LINUX_VERSION_CODE|KERNEL_VERSION|LINUX_VERSION_MAJOR|UTS_RELEASE)\b`)
)

// elsewhere are what the kernels of distributions define, and the kernel's own tree never does.
var elsewhere = []string{"RHEL_RELEASE_CODE", "RHEL_MAJOR", "RHEL_MINOR", "UTS_UBUNTU_RELEASE_ABI", "SUSE_VERSION", "CONFIG_SUSE_KERNEL", "SLE_VERSION_CODE"}

// code is what LINUX_VERSION_CODE is for a version (Linux Makefile, filechk_version.h).
func code(major, minor, patch int) int { return major<<16 | minor<<8 | min(patch, 255) }

// resolve has unifdef drop what is for other kernels, and then what depended on what was dropped; what is left is named.
func (m *maker) resolve(ctx context.Context) error {
	v := [3]int{}
	if n, err := fmt.Sscanf(m.Version, "%d.%d.%d", &v[0], &v[1], &v[2]); n < 2 {
		return fmt.Errorf("%q is no version of Linux: %w", m.Version, err)
	}
	args := []string{"-DLINUX_VERSION_CODE=" + strconv.Itoa(code(v[0], v[1], v[2])), "-DLINUX_VERSION_MAJOR=" + strconv.Itoa(v[0])}
	for _, name := range elsewhere {
		args = append(args, "-U"+name)
	}
	m.headers = m.readHeaders()
	args = append(args, m.probed()...)
	before := m.ourText()
	for range maxNesting {
		if err := m.unifdef(ctx, args); err != nil {
			return err
		}
		more := settled(before, m.ourText())
		more = slices.DeleteFunc(more, func(arg string) bool { return slices.Contains(args, arg) })
		if len(more) == 0 {
			break
		}
		args = append(args, more...)
	}
	m.dropDefines(args)
	for _, name := range m.shape.ours {
		m.unresolved(name)
	}
	return nil
}

// dropDefines removes the definitions of names that were settled, once nothing asks for them any more.
func (m *maker) dropDefines(args []string) {
	for _, arg := range args {
		name, ok := strings.CutPrefix(arg, "-D")
		if !ok || strings.Contains(name, "=") {
			continue
		}
		line := regexp.MustCompile(`(?m)^[ \t]*#[ \t]*define[ \t]+` + name + `([ \t]+1)?[ \t]*\n`)
		word := regexp.MustCompile(`\b` + name + `\b`)
		rest := map[string]string{}
		needed := false
		for _, at := range m.shape.ours {
			rest[at] = line.ReplaceAllString(m.shape.Files[at], "")
			needed = needed || word.MatchString(rest[at])
		}
		for at, text := range rest {
			if !needed {
				m.shape.Files[at] = text
			}
		}
	}
}

var asked = regexp.MustCompile(`\b(?:ifdef|ifndef)[ \t]+([A-Za-z_]\w*)|\bdefined[ \t]*\(?[ \t]*([A-Za-z_]\w*)`)

// probed are arguments of unifdef for macros of the kernel's headers that the source asks for, as a way to learn what kernel it is.
func (m *maker) probed() (args []string) {
	for _, at := range m.shape.ours {
		var names []string
		for _, line := range directive.FindAllString(m.shape.Files[at], -1) {
			for _, a := range asked.FindAllStringSubmatch(line, -1) {
				if name := a[1] + a[2]; m.probes(name) && !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
		for _, name := range names {
			args = append(args, "-D"+name)
		}
		if len(names) > 0 {
			m.todo(at, "taken as defined, since headers of this kernel have them, make sure that they always do: %s", strings.Join(names, " "))
		}
	}
	slices.Sort(args)
	return slices.Compact(args)
}

// probes reports whether a header defines a name that is neither an option nor a switch that any file may set for itself.
func (m *maker) probes(name string) bool {
	return m.headers.defined[name] != "" && !strings.HasPrefix(name, "CONFIG_") && !strings.HasPrefix(name, "__") && !slices.Contains([]string{"DEBUG", "pr_fmt", "dev_fmt"}, name)
}

// ourText is the module's own source, by file.
func (m *maker) ourText() map[string]string {
	all := map[string]string{}
	for _, name := range m.shape.ours {
		all[name] = m.shape.Files[name]
	}
	return all
}

// settled are arguments of unifdef for names that were defined for some kernels alone: they are known now, one way or the other.
// Only names count that nothing but conditionals ever asked for.
func settled(before, after map[string]string) (args []string) {
	was, is := definitions(before), definitions(after)
	for name, d := range was {
		if d.shallow > 0 || d.used || !d.plain {
			continue
		}
		switch now := is[name]; {
		case now.all() == 0:
			args = append(args, "-U"+name)
		case now.shallow > 0 && now.deep == 0:
			args = append(args, "-D"+name)
		}
	}
	slices.Sort(args)
	return args
}

// definition is how a name is defined in a source.
type definition struct {
	deep, shallow int  // how often inside of conditionals, and outside
	plain         bool // each time as nothing at all, or as 1
	used          bool // outside of conditionals
}

func (d definition) all() int { return d.deep + d.shallow }

func definitions(files map[string]string) map[string]definition {
	all := map[string]definition{}
	for _, text := range files {
		depth := 0
		guard := guardOf(text)
		for line := range strings.Lines(text) {
			word := directiveWord(line)
			switch {
			case strings.HasPrefix(word, "if"):
				depth++
			case word == "endif":
				depth--
			}
			d := defineLine.FindStringSubmatch(line)
			if d == nil || d[1] == guard {
				continue
			}
			now, known := all[d[1]]
			value := strings.TrimSpace(d[2])
			now.plain = (now.plain || !known) && (value == "" || value == "1")
			if inside := depth; inside > 1 || inside == 1 && guard == "" {
				now.deep++
			} else {
				now.shallow++
			}
			all[d[1]] = now
		}
	}
	for name, d := range all {
		word := regexp.MustCompile(`\b` + name + `\b`)
		for _, text := range files {
			rest := defineLine.ReplaceAllString(directive.ReplaceAllString(text, ""), "")
			d.used = d.used || word.MatchString(regexp.MustCompile(`/\*[\s\S]*?\*/|//[^\n]*`).ReplaceAllString(rest, ""))
		}
		all[name] = d
	}
	return all
}

var hashWord = regexp.MustCompile(`^[ \t]*#[ \t]*(\w+)`)

func directiveWord(line string) string {
	if w := hashWord.FindStringSubmatch(line); w != nil {
		return w[1]
	}
	return ""
}

var headerGuard = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*ifndef[ \t]+(\w+)[^\n]*\n[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]*$`)

// guardOf is the name that keeps a header from being read twice; empty: there is none.
func guardOf(text string) string {
	if g := headerGuard.FindStringSubmatch(text); g != nil && g[1] == g[2] {
		return g[1]
	}
	return ""
}

// unifdef runs over the module's files.
func (m *maker) unifdef(ctx context.Context, args []string) error {
	work := filepath.Join(m.Work, "unifdef")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	for _, at := range m.shape.ours {
		if ending := path.Ext(at); ending != ".c" && ending != ".h" {
			continue
		}
		text, back := readable(m.shape.Files[at])
		if err := os.WriteFile(filepath.Join(work, "in.c"), []byte(text), 0o644); err != nil {
			return err
		}
		var said bytes.Buffer
		command := append(append([]string{"unifdef", "-x2", "-B", "-o", "out.c"}, args...), "in.c")
		if exit, err := (sandbox.Box{Root: m.Root, Dir: work}).Run(ctx, &said, command...); err != nil {
			return fmt.Errorf("run unifdef: %w", err)
		} else if exit != 0 {
			m.todo(at, "unifdef cannot read it: %s", strings.TrimSpace(clean(said.String())))
			continue
		}
		out, err := kernels.ReadFileIn(work, "out.c", maxFile)
		if err != nil {
			return err
		}
		m.shape.Files[at] = back(string(out))
	}
	return nil
}

var number = regexp.MustCompile(`\b\d+\b`)

// readable is a text whose conditionals unifdef can read: each is one line, and versions are numbers, for it knows no macros with
// arguments. back is the way back for what it left.
func readable(text string) (plain string, back func(string) string) {
	versions, lines := map[string]string{}, map[string]string{}
	plain = directive.ReplaceAllStringFunc(text, func(line string) string {
		simple := versionOf.ReplaceAllStringFunc(continued.ReplaceAllString(line, " "), func(v string) string {
			n := versionOf.FindStringSubmatch(v)
			number := strconv.Itoa(code(atoi(n[1]), atoi(n[2]), atoi(n[3])))
			versions[number] = "KERNEL_VERSION(" + n[1] + ", " + n[2] + ", " + n[3] + ")"
			return number
		})
		lines[simple] = line
		return simple
	})
	return plain, func(left string) string {
		return directive.ReplaceAllStringFunc(left, func(line string) string {
			if was, ok := lines[line]; ok {
				return was
			}
			return number.ReplaceAllStringFunc(line, func(n string) string { return cmp.Or(versions[n], n) })
		})
	}
}

func atoi(text string) int {
	n, _ := strconv.Atoi(text) // digits: it cannot fail, but for what is too large, and then it is the largest
	return n
}

// unresolved drops the version's header where nothing needs it, and names the conditionals that are left.
func (m *maker) unresolved(name string) {
	text := m.shape.Files[name]
	if rest := versionFile.ReplaceAllString(text, ""); !codeUse.MatchString(rest) {
		text = rest
		m.shape.Files[name] = text
	}
	guard := guardOf(text)
	for _, at := range directive.FindAllStringIndex(text, -1) {
		line := strings.TrimSpace(text[at[0]:at[1]])
		if word := depends.FindString(line); word != "" && word != guard {
			m.todo(fmt.Sprintf("%s:%d", name, 1+strings.Count(text[:at[0]], "\n")), "unifdef leaves %q: resolve it by hand, mainline has no code for other kernels", strings.Join(strings.Fields(line), " "))
		}
	}
}
