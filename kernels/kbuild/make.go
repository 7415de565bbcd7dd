package kbuild

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
	"github.com/modmatrix/modmatrix/results"
)

// makeVariable is a name that make, sh and Kbuild all take.
var makeVariable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ownVariables are set here; another value would build something else, or somewhere else, or unchecked.
var ownVariables = map[string]bool{
	"M": true, "MO": true, "O": true, "KBUILD_EXTMOD": true, "KBUILD_EXTMOD_OUTPUT": true, "KBUILD_OUTPUT": true,
	"KBUILD_MODPOST_WARN": true, "KERNELRELEASE": true, "MAKEFLAGS": true, "MAKEFILES": true, "SHELL": true,
}

func checkMakeArg(arg string) error {
	name, value, ok := strings.Cut(arg, "=")
	switch {
	case !ok || !makeVariable.MatchString(name):
		return fmt.Errorf("make argument %q: write NAME=VALUE", arg)
	case ownVariables[name]:
		return fmt.Errorf("make argument %q: %s is not yours to set here, leave it out", arg, name)
	case strings.ContainsAny(value, "\x00\n\r"):
		return fmt.Errorf("make argument %q: the value must be one line", arg)
	}
	return nil
}

// makeCommand is the command that builds the external module below guestBuild (Linux Documentation/kbuild/modules.rst).
// LLVM=1 follows what the kernel itself was built with (Linux Documentation/kbuild/llvm.rst).
func makeCommand(r Request) []string {
	command := []string{"make", "-C", r.Tree.KDIR, "M=" + path.Join(guestBuild, r.Folder), "-j" + strconv.Itoa(cmp.Or(r.Jobs, 1))}
	return append(slices.Concat(command, r.llvm(), r.Tree.Root.Make, r.Make), "modules")
}

func (r Request) llvm() []string {
	if r.Tree.Config.Enabled("CC_IS_CLANG") {
		return []string{"LLVM=1"}
	}
	return nil
}

// makeFlags is the environment's way to pass NAME=VALUE to every make in a sandbox as if on its command line (GNU make manual,
// "Communicating Options to a Sub-make").
func makeFlags(args []string) string {
	flags := " --"
	for _, arg := range args {
		flags += " " + strings.NewReplacer(`\`, `\\`, " ", `\ `, "\t", "\\\t", "$", "$$").Replace(arg)
	}
	return flags
}

// withoutBTF switches the BTF step off where the tree would take it (its folder holds a vmlinux) and the root lacks the
// tool for it: a module loads as well without, and pahole is no part of the kernel (Linux scripts/Makefile.modfinal).
func withoutBTF(v *sandbox.View, tree *kernels.Tree) []string {
	if !tree.Config.Enabled("DEBUG_INFO_BTF_MODULES") {
		return nil
	}
	if _, err := v.Find(path.Join(tree.KDIR, "vmlinux")); err != nil {
		return nil
	}
	for _, dir := range []string{"/usr/bin", "/usr/local/bin"} {
		if _, err := v.Find(path.Join(dir, "pahole")); err == nil {
			return nil
		}
	}
	return []string{"CONFIG_DEBUG_INFO_BTF_MODULES="}
}

// passToMakes has every make in the sandbox take args, as if they stood on its command line.
func (s *Sandbox) passToMakes(args []string, log *buildLog) {
	if len(args) > 0 {
		s.Env = append(s.Env, [2]string{"MAKEFLAGS", makeFlags(args)})
		log.printf("# note:     every make gets %s\n", results.ShellLine(args...))
	}
}
