package kbuild

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
)

// refusals are what compilers, and what they call, say of an option or a plugin that is not for them: gcc's words (Linux builds
// with LC_ALL=C), clang's, the linkers'. The group is what was refused.
var refusals = []*regexp.Regexp{
	regexp.MustCompile(`\berror: unrecognized command[- ]line option '([^']+)'`),
	regexp.MustCompile(`\berror: (?:unrecognized|unsupported|invalid) argument (?:in|to) (?:option )?'([^']+)'`),
	regexp.MustCompile(`\berror: argument '[^']*' to '([^']+)' not recognized`),
	regexp.MustCompile(`\berror: unknown (?:argument|warning option):? '([^']+)'`),
	regexp.MustCompile(`\berror: unsupported (?:option|argument '[^']*' to option) '([^']+)'`),
	regexp.MustCompile(`\berror: incompatible (gcc/plugin) versions|\berror: (?:cannot load plugin|fail to initialize plugin) ([^\s:]+)`),
	regexp.MustCompile(`\bld(?:\.\w+)?: (?:error: )?(?:unrecognized option|unknown argument) '([^']+)'`),
}

// refused is what the compiler does not take, in what it said; "" where that is not the trouble.
func refused(lines []string) string {
	for _, line := range lines {
		for _, r := range refusals {
			if m := r.FindStringSubmatch(line); m != nil {
				return strings.Join(m[1:], "")
			}
		}
	}
	return ""
}

// strange is the error of a build that broke for an option that the kernel's own compiler knew and the one that is here does not. That
// is no fault of a module that never asked for it. nil where anything else is the matter.
func (r Request) strange(fault *Error) error {
	kernel := r.Tree.Config.Value("CC_VERSION_TEXT")
	option := refused(append(slices.Clone(fault.Excerpt), fault.Reason))
	if option == "" || kernel == "" || kernels.SameCompiler(kernel, r.Tree.Root.Compiler) || r.asksFor(option) {
		return nil
	}
	return fmt.Errorf("the kernel was built with %s, and here is %s, which does not take its %s: install %s",
		kernel, cmp.Or(r.Tree.Root.Compiler, "another"), option, ownCompiler(r.Tree.Config))
}

// ownCompiler is the package of the kernel's own compiler, as most distributions call it.
func ownCompiler(config kconfig.Config) string {
	for _, family := range []string{"gcc", "clang"} {
		if n, _ := strconv.Atoi(config.Value(strings.ToUpper(family) + "_VERSION")); n > 0 {
			return family + "-" + strconv.Itoa(n/10000)
		}
	}
	return "that one"
}

// asksFor reports whether what builds the module names the option, or the user does.
func (r Request) asksFor(option string) bool {
	name, _, _ := strings.Cut(option, "=")
	if slices.ContainsFunc(r.Make, func(arg string) bool { return strings.Contains(arg, name) }) {
		return true
	}
	built, err := os.OpenRoot(r.Dir)
	if err != nil {
		return false
	}
	defer built.Close()
	found := false
	_ = fs.WalkDir(built.FS(), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !matchesAny(instructions, path.Base(file)) {
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > maxMakefile {
			return nil
		}
		text, _ := fs.ReadFile(built.FS(), file)
		if bytes.Contains(text, []byte(name)) {
			found = true
			return fs.SkipAll
		}
		return nil
	})
	return found
}

// instructions are the names of files that say how a source is built, as patterns: makefiles, and what they are made by.
var instructions = []string{"[Mm]akefile*", "GNUmakefile*", "Kbuild*", "*.mk", "*.in", "*.am", "*.ac", "*.m4", "*.sh", "configure", "dkms.conf"}
