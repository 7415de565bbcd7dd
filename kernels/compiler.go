package kernels

import "strings"

// LLVM makes make take every tool from one LLVM: suffix is what its programs' names end with, "-19", or "" for the plain
// names. Each is named by itself, for kernels before 5.18 take no suffix in LLVM= (Linux Documentation/kbuild/llvm.rst).
func LLVM(suffix string) []string {
	args := []string{"LLVM=1"}
	for _, tool := range []struct{ variable, program string }{
		{"CC", "clang"}, {"LD", "ld.lld"}, {"AR", "llvm-ar"}, {"NM", "llvm-nm"}, {"OBJCOPY", "llvm-objcopy"}, {"OBJDUMP", "llvm-objdump"},
		{"READELF", "llvm-readelf"}, {"STRIP", "llvm-strip"}, {"HOSTCC", "clang"}, {"HOSTCXX", "clang++"}, {"HOSTAR", "llvm-ar"}, {"HOSTLD", "ld.lld"},
	} {
		args = append(args, tool.variable+"="+tool.program+suffix)
	}
	return args
}

// SameCompiler compares what two compilers say of themselves, as the kernel's own check does (Linux Makefile, "the compiler differs
// from the one used to build the kernel") but for the name that gcc was called by: gcc-14 and x86_64-linux-gnu-gcc-14 are one.
func SameCompiler(a, b string) bool {
	nameless := func(text string) string {
		if name, rest, _ := strings.Cut(text, " "); strings.Contains(name, "gcc") {
			return rest
		}
		return text
	}
	return nameless(a) == nameless(b)
}
