package dkms

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// facts is what a package's conditions ask of a target.
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
