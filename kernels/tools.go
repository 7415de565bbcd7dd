package kernels

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/modmatrix/modmatrix/results/arch"
)

// Tools says how a source runs programs of the host: each in a process group of its own, none of which outlives the call, and
// none of which outlives this process, however it ends. It is plain data.
type Tools struct {
	Env   []string          // added to this process's environment
	Cures map[string]string // by tool: how to get one that is missing, where that is not its package's name
	Fault *regexp.Regexp    // finds the line that says what went wrong, as against the many that say what was done
	End   syscall.Signal    // asks a tool to end: SIGTERM lets it tidy up
	Grace time.Duration     // how long it may take to be gone after that
}

// ToolError is a tool that failed, in one line; the whole of what it said is in Output.
type ToolError struct {
	Tool, Output string
	Err          error

	fault *regexp.Regexp
}

// diskErrors are the errors of a disk that tools report in the words of the C library, and in those of apt, which looks beforehand.
var diskErrors = []struct {
	words string
	errno syscall.Errno
}{
	{"No space left on device", syscall.ENOSPC},
	{"You don't have enough free space", syscall.ENOSPC},
	{"Disk quota exceeded", syscall.EDQUOT},
	{"Read-only file system", syscall.EROFS},
}

// Unwrap is what the operating system said of the tool's end, and what it said to the tool, where that is the disk's fault.
func (e *ToolError) Unwrap() []error {
	errs := []error{e.Err}
	for _, t := range diskErrors {
		if strings.Contains(e.Output, t.words) {
			errs = append(errs, t.errno)
		}
	}
	return errs
}

// maxLine bounds what an error repeats of a tool's words, in bytes.
const maxLine = 300

// Error returns the tool's own first complaint, else its last line.
func (e *ToolError) Error() string {
	said := ""
	for line := range strings.Lines(e.Output) {
		line = strings.TrimSpace(line)
		if line != "" && e.fault != nil && e.fault.MatchString(line) {
			said = line
			break
		}
		said = cmp.Or(line, said)
	}
	for _, mark := range []string{"E: ", "fatal: ", e.Tool + ": ", "error: "} {
		said = strings.TrimPrefix(said, mark)
	}
	if len(said) > maxLine {
		said = strings.ToValidUTF8(said[:maxLine], "") + "…"
	}
	return e.Tool + ": " + cmp.Or(said, e.Err.Error())
}

// Command is a tool that ends with ctx, with its group, and works in /.
func (t Tools) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "/"
	cmd.Env = append(append(os.Environ(), "LC_ALL=C"), t.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: t.End}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, t.End) }
	cmd.WaitDelay = t.Grace
	return cmd
}

// Run runs cmd to its end, with whatever it left running of its group, and returns what it wrote to its standard output,
// unless cmd.Stdout is set. A tool that failed is a *ToolError; after ctx has ended the error is that of ctx.
func (t Tools) Run(ctx context.Context, cmd *exec.Cmd) (string, error) {
	// The death signal is sent when the thread that forked ends (prctl(2)), so this thread must live as long as the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var out, said bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &said
	}
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	tool := cmd.Args[0]
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("%s is missing: %s", tool, cmp.Or(t.Cures[tool], "install "+tool))
	case err != nil:
		return "", t.Failed(tool, said.String(), err)
	}
	return out.String(), nil
}

// Failed is the error of a tool that ended with err and wrote output.
func (t Tools) Failed(tool, output string, err error) error {
	return &ToolError{tool, output, err, t.Fault}
}

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

// Cross makes make build for another machine than this one, with gcc; nil for this machine's own kind.
func Cross(a arch.Arch) []string {
	if a.Name == arch.Host().Name {
		return nil
	}
	return []string{"ARCH=" + a.Kbuild, "CROSS_COMPILE=" + a.Triplet + "-"}
}

// CompilerPackages are Debian's packages with a gcc ("gcc-12") for a: for another machine with the plain name of the command as well,
// which authors' makefiles put behind CROSS_COMPILE.
func CompilerPackages(gcc string, a arch.Arch) []string {
	if a.Name == arch.Host().Name {
		return []string{gcc}
	}
	return []string{gcc + "-" + PackageWord(a), "gcc-" + PackageWord(a)}
}

// PackageWord is a's triplet as names of packages have it.
func PackageWord(a arch.Arch) string { return strings.ReplaceAll(a.Triplet, "_", "-") }

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
