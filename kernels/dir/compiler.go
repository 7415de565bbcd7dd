package dir

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/results/arch"
)

// compilerDirs are where the sandbox that modules are built in looks for programs.
var compilerDirs = []string{"/usr/local/bin", "/usr/bin", "/bin"}

// compiler is one of the host's, and the arguments with which make takes it.
type compiler struct {
	path    string
	text    string   // first line of its --version
	version [3]int   // X.Y.Z
	make    []string // NAME=VALUE
	notice  string   // it is not the kernel's own
}

// digest distinguishes it from another, or from a later one of the same name.
func (c compiler) digest() string {
	stamp := ""
	if info, err := os.Stat(c.path); err == nil {
		stamp = fmt.Sprint(info.Size(), info.ModTime().UnixNano())
	}
	sum := sha256.Sum256([]byte(c.path + "\n" + c.text + "\n" + stamp + "\n" + strings.Join(c.make, " ")))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (c compiler) number() string {
	return fmt.Sprintf("%d.%d.%d", c.version[0], c.version[1], c.version[2])
}

// compilerFor finds the host's compiler that comes closest to the one the kernel was built with: the same, else one of the
// same major version, else the next newer one. A module that another compiler built often works, so that is a notice.
func compilerFor(ctx context.Context, config kconfig.Config, a arch.Arch) (compiler, error) {
	if _, err := exec.LookPath("make"); err != nil {
		return compiler{}, errors.New("make is missing: install make")
	}
	family := "gcc"
	if config.Enabled("CC_IS_CLANG") {
		family = "clang"
	}
	found, err := compilers(ctx, family, a)
	if err != nil {
		return compiler{}, err
	}
	// Linux init/Kconfig; Linux scripts/cc-version.sh for the number.
	n, _ := strconv.Atoi(config.Value(strings.ToUpper(family) + "_VERSION"))
	want := compiler{text: config.Value("CC_VERSION_TEXT"), version: [3]int{n / 10000, n / 100 % 100, n % 100}}
	if len(found) == 0 {
		name := family
		if want.version[0] > 0 {
			name += "-" + strconv.Itoa(want.version[0])
		}
		if family == "gcc" && a.Kbuild != build.Kbuild {
			family = a.Triplet + "-gcc"
			name += "-" + kernels.PackageWord(a)
		}
		return compiler{}, fmt.Errorf("the kernel was built with %s, and there is no %s here: install %s", cmp.Or(want.text, family), family, name)
	}
	best := found[0] // what the host calls by the plain name, where nobody says which
	if want.version[0] > 0 {
		best = closest(found, want)
	}
	best.notice = differs(best, want, family)
	if family == "gcc" {
		best.make = append(forMachine(best, a), "CC="+filepath.Base(best.path))
		return best, nil
	}
	best.make, err = llvm(best, config)
	best.make = append(forMachine(best, a), best.make...)
	return best, err
}

// versionOf finds X.Y.Z in the first line of a compiler's --version: after gcc's brackets, after clang's "version".
var versionOf = regexp.MustCompile(`^(?:\S+ \(.*\) |.*\bversion )(\d+)\.(\d+)\.(\d+)`)

// forMachine makes make build for a with c: nothing for this machine's own kind. The plain gcc of a PC builds for both kinds.
func forMachine(c compiler, a arch.Arch) []string {
	args := kernels.Cross(a)
	if args != nil && a.Kbuild == build.Kbuild && !strings.HasPrefix(filepath.Base(c.path), a.Triplet) {
		return args[:1]
	}
	return args
}

// compilers are the host's of one family that build for a, by path; of several names of one file, the one that is first in compilerDirs.
func compilers(ctx context.Context, family string, a arch.Arch) ([]compiler, error) {
	only := "?"
	if family == "gcc" && a.Kbuild != build.Kbuild {
		only = ""
	}
	name := regexp.MustCompile(`^(` + a.Triplet + `-)` + only + family + `(-\d+(\.\d+)?)?$`)
	var found []compiler
	seen := map[string]bool{}
	for _, dir := range compilerDirs {
		entries, _ := os.ReadDir(dir)
		slices.SortStableFunc(entries, func(a, b os.DirEntry) int { return cmp.Compare(len(a.Name()), len(b.Name())) })
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			real, err := filepath.EvalSymlinks(path)
			if !name.MatchString(e.Name()) || err != nil || seen[real] {
				continue
			}
			seen[real] = true
			c, err := ask(ctx, path)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err == nil {
				found = append(found, c)
			}
		}
	}
	return found, nil
}

// ask has a compiler say what it is.
func ask(ctx context.Context, path string) (compiler, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = []string{"LC_ALL=C", "PATH=" + strings.Join(compilerDirs, ":")}
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return compiler{}, fmt.Errorf("ask %s for its version: %w", path, err)
	}
	c := compiler{path: path}
	c.text, _, _ = strings.Cut(string(out), "\n")
	m := versionOf.FindStringSubmatch(c.text)
	if m == nil {
		return c, fmt.Errorf("%s says of itself %q", path, c.text)
	}
	for i := range c.version {
		c.version[i], _ = strconv.Atoi(m[i+1])
	}
	return c, nil
}

// closest is the best of found, which is not empty.
func closest(found []compiler, want compiler) compiler {
	rank := func(c compiler) (class, distance int) {
		far := (c.version[0]-want.version[0])*10000 + (c.version[1]-want.version[1])*100 + c.version[2] - want.version[2]
		switch {
		case kernels.SameCompiler(c.text, want.text):
			return 0, 0
		case c.version[0] == want.version[0]:
			return 1, max(far, -far)
		case far > 0:
			return 2, far
		}
		return 3, -far
	}
	return slices.MinFunc(found, func(a, b compiler) int {
		classA, farA := rank(a)
		classB, farB := rank(b)
		return cmp.Or(cmp.Compare(classA, classB), cmp.Compare(farA, farB))
	})
}

func differs(c, want compiler, family string) string {
	if kernels.SameCompiler(c.text, want.text) || c.version == want.version || want.version[0] == 0 {
		return ""
	}
	return fmt.Sprintf("built with %s %s, modules with this host's %s %s", family, want.number(), family, c.number())
}

// llvmTools are the programs of LLVM that a module is built with, beside the compiler.
var llvmTools = []string{"ld.lld", "llvm-ar", "llvm-nm", "llvm-objcopy"}

// llvm makes make take the right of several LLVMs to take (Linux Documentation/kbuild/llvm.rst), and whose assembler. A kernel that
// GNU's linker linked took nothing but the compiler from it.
func llvm(c compiler, config kconfig.Config) ([]string, error) {
	_, suffix, _ := strings.Cut(filepath.Base(c.path), "clang")
	if config.Enabled("LD_IS_BFD") {
		return []string{"LLVM=", "CC=" + filepath.Base(c.path)}, nil
	}
	for _, tool := range llvmTools {
		if !slices.ContainsFunc(compilerDirs, func(dir string) bool { return isFile(filepath.Join(dir, tool+suffix)) }) {
			return nil, fmt.Errorf("the kernel was built with LLVM, and %s is missing: install lld%s and llvm%s", tool+suffix, suffix, suffix)
		}
	}
	args := kernels.LLVM(suffix)
	switch {
	case config.Enabled("AS_IS_LLVM"):
		args = append(args, "LLVM_IAS=1")
	case config.Enabled("AS_IS_GNU"):
		args = append(args, "LLVM_IAS=0")
	}
	return args, nil
}
