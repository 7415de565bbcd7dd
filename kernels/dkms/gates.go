package dkms

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"pault.ag/go/debian/dependency"
	"pault.ag/go/debian/version"
)

type facts struct {
	release, arch string
	clang         bool
	config        map[string]bool // CONFIG_X to whether it is =y or =m; nil where the kernel's folder has no configuration
}

type gates struct {
	kernel, min, max, arch, config, obsolete string
	kernelFits, archFits                     bool // whether the regular expressions match
}

func readGates(v values) gates {
	return gates{
		kernel: v.one("BUILD_EXCLUSIVE_KERNEL"), kernelFits: v.match[element{"BUILD_EXCLUSIVE_KERNEL", 0}],
		min: v.one("BUILD_EXCLUSIVE_KERNEL_MIN"), max: v.one("BUILD_EXCLUSIVE_KERNEL_MAX"), obsolete: v.one("OBSOLETE_BY"),
		arch: v.one("BUILD_EXCLUSIVE_ARCH"), archFits: v.match[element{"BUILD_EXCLUSIVE_ARCH", 0}],
		config: v.one("BUILD_EXCLUSIVE_CONFIG"),
	}
}

// condition returns the first condition by which dkms would not build for the target, in one line, or nothing.
func (g gates) condition(f facts) string {
	limit, directive := g.max, "BUILD_EXCLUSIVE_KERNEL_MAX"
	if limit == "" {
		limit, directive = g.obsolete, "OBSOLETE_BY"
	}
	switch {
	case g.kernel != "" && !g.kernelFits:
		return fmt.Sprintf("BUILD_EXCLUSIVE_KERNEL is %s, which %s does not match", clean(g.kernel), f.release)
	case g.min != "" && padded(f.release) < padded(g.min):
		return fmt.Sprintf("BUILD_EXCLUSIVE_KERNEL_MIN is %s, and %s is below it", clean(g.min), f.release)
	case limit != "" && padded(f.release) > padded(limit):
		return fmt.Sprintf("%s is %s, and %s is above it%s", directive, clean(limit), f.release, quirk(f.release, limit))
	case g.arch != "" && !g.archFits:
		return fmt.Sprintf("BUILD_EXCLUSIVE_ARCH is %s, which %s does not match", clean(g.arch), f.arch)
	case f.config == nil:
		return "" // dkms asks nothing where there is no file to ask
	}
	for _, symbol := range strings.Fields(g.config) {
		name, not := strings.CutPrefix(symbol, "!")
		switch {
		case not && f.config[name]:
			return fmt.Sprintf("BUILD_EXCLUSIVE_CONFIG is %s, and %s is set", clean(g.config), clean(name))
		case !not && !f.config[name] && !strings.HasPrefix(name, "CONFIG_"):
			return fmt.Sprintf("BUILD_EXCLUSIVE_CONFIG is %s, and nothing is named %s: CONFIG_ is missing before it", clean(g.config), clean(name))
		case !not && !f.config[name]:
			return fmt.Sprintf("BUILD_EXCLUSIVE_CONFIG is %s, and %s is not set", clean(g.config), clean(name))
		}
	}
	return ""
}

// quirk says when a limit excludes what its author may well have meant to be within: dkms compares text, and so 6.4.1 is above 6.4.
func quirk(release, limit string) string {
	if rest, ok := strings.CutPrefix(release, limit); ok && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "-")) {
		return " (dkms compares them as text)"
	}
	return ""
}

var (
	beforeDigit = regexp.MustCompile(`([^0-9])([0-9])`)
	afterDigit  = regexp.MustCompile(`([0-9])([^0-9])`)
	oneDigit    = regexp.MustCompile(` ([0-9]) `)
	twoDigits   = regexp.MustCompile(` ([0-9][0-9]) `)
)

// padded is a version in the form in which dkms compares two of them, byte by byte: each number has three digits at least
// (VER in dkms, step by step).
func padded(version string) string {
	version = beforeDigit.ReplaceAllString(version, "$1 $2")
	version = afterDigit.ReplaceAllString(version, "$1 $2")
	version = oneDigit.ReplaceAllString(" "+version+" ", "00$1 ")
	version = twoDigits.ReplaceAllString(version, "0$1 ")
	return strings.ReplaceAll(version, " ", "")
}

// factsOf reads what dkms would ask of a target. The configuration is that of the kernel's own folder: auto.conf there, else .config.
func factsOf(tree *kernels.Tree) (facts, error) {
	f := facts{release: tree.Target.Release, arch: tree.Target.Arch, clang: tree.Config.Enabled("CC_IS_CLANG")}
	for _, name := range []string{"include/config/auto.conf", ".config"} {
		host, ok := kbuild.Find(tree, path.Join(tree.KDIR, name))
		if !ok {
			continue
		}
		text, err := os.ReadFile(host)
		if err != nil {
			return f, fmt.Errorf("read kernel config: %w", err)
		}
		f.config = readConfig(text)
		break
	}
	return f, nil
}

var isSet = regexp.MustCompile(`(?m)^([^=\n]+)=[ym]`)

// readConfig lists what is set as grep '^CONFIG_X=[ym]' finds it.
func readConfig(text []byte) map[string]bool {
	set := map[string]bool{}
	for _, m := range isSet.FindAllSubmatch(text, -1) {
		set[string(m[1])] = true
	}
	return set
}

func debNeeds(ctx context.Context, file string) (needs []string, err error) {
	out, err := exec.CommandContext(ctx, "dpkg-deb", "--field", file, "Depends").Output()
	if err != nil {
		return nil, hostile(file, "says not what it depends on")
	}
	if needs, err = needsOf(string(out)); err != nil {
		return nil, hostile(file, err.Error())
	}
	return needs, nil
}

var (
	// plainNeed is a relation that apt may be asked for as it stands.
	plainNeed = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+[A-Za-z0-9 +.:~|()<>=-]*$`)
	// ofKernel are packages that bring a kernel or what modules for it are built with.
	ofKernel = regexp.MustCompile(`^linux-(headers|image)(-|$)`)
)

// givenAnyway matches dkms, which this package stands for, and of headers and images of kernels, which the tree is.
func givenAnyway(p dependency.Possibility) bool {
	return p.Name == "dkms" || ofKernel.MatchString(p.Name)
}

// Lacking returns which of the package's needs are not met in the tree's root, each as Needs has it; nothing where that cannot be
// known.
func (p *Package) Lacking(tree *kernels.Tree) (needs []string) {
	host, ok := kbuild.Find(tree, "/var/lib/dpkg/status")
	if !ok || len(p.Needs) == 0 {
		return nil
	}
	f, err := os.Open(host)
	if err != nil {
		return nil
	}
	defer f.Close()
	installed := readStatus(bufio.NewReader(f))
	return slices.DeleteFunc(slices.Clone(p.Needs), func(need string) bool {
		parsed, err := dependency.Parse(need)
		return err != nil || len(parsed.Relations) != 1 || slices.ContainsFunc(parsed.Relations[0].Possibilities, installed.meet)
	})
}

// installed holds the versions in which packages are there, by name; what is provided in no certain version has an empty one.
type installed map[string][]string

func (in installed) meet(p dependency.Possibility) bool {
	return slices.ContainsFunc(in[p.Name], func(text string) bool {
		if p.Version == nil {
			return true
		}
		v, err := version.Parse(text)
		return err == nil && text != "" && p.Version.SatisfiedBy(v)
	})
}

// readStatus lists what dpkg has installed, and what that provides (dpkg's status file, deb-control(5)).
func readStatus(r *bufio.Reader) installed {
	all := installed{}
	for in := textproto.NewReader(r); ; {
		fields, err := in.ReadMIMEHeader()
		if strings.HasSuffix(fields.Get("Status"), " installed") {
			name := fields.Get("Package")
			all[name] = append(all[name], fields.Get("Version"))
			for provided := range strings.SplitSeq(fields.Get("Provides"), ",") {
				provided, at, _ := strings.Cut(strings.TrimSpace(provided), " ")
				all[provided] = append(all[provided], strings.Trim(at, "(= )"))
			}
		}
		if err != nil {
			return all
		}
	}
}

// blame excuses a package whose script failed, or found something absent, for want of what it says it needs.
func (p *Package) blame(err error, tree *kernels.Tree) error {
	var fault *kbuild.Error
	if !errors.As(err, &fault) {
		return err
	}
	absent := strings.HasSuffix(fault.Reason, "not found") || strings.HasSuffix(fault.Reason, "No such file or directory")
	lacking := p.Lacking(tree)
	if len(lacking) == 0 || !ofScript(fault) && !absent {
		return err
	}
	return fmt.Errorf("the root for %s lacks %s, which the package depends on; without, %v", tree.Target.Release, strings.Join(lacking, " and "), fault)
}

// lackNotes says what a package was built without. Where its root could be given it, it was.
func (p *Package) lackNotes(tree *kernels.Tree) (lines []string) {
	if lacking := p.Lacking(tree); len(lacking) > 0 {
		lines = append(lines, "built without "+strings.Join(lacking, " and ")+", which it depends on and the root has not")
	}
	return lines
}

func ofScript(fault *kbuild.Error) bool {
	return strings.HasPrefix(fault.Reason, "PRE_BUILD ") || strings.HasPrefix(fault.Reason, "POST_BUILD ")
}
