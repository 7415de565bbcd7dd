package initramfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/renameio/v2"
	"github.com/u-root/gobusybox/src/pkg/golang"
	"github.com/u-root/mkuimage/cpio"
	"github.com/u-root/mkuimage/uimage"
	"github.com/u-root/mkuimage/uimage/builder"
	"github.com/u-root/uio/llog"

	"github.com/modmatrix/modmatrix/results/arch"
)

// Options say what BuildBase builds from, and where to.
type Options struct {
	Arch   string    // of the guests, in uname -m's spelling; empty: this machine's
	Source string    // folder of this module's source, as FindSource returns it; it is only read
	Out    string    // the image, written whole or not at all
	Temp   string    // existing folder for temporary files; empty means the system's
	Log    io.Writer // for the image builder's log; nil discards it
}

// BuildBase builds the image that all guests share: PID 1 as /init, u-root's commands in /bbin. The same source and
// toolchain give the same bytes. It takes most of a minute with an empty build cache and seconds with a full one.
//
// While it runs, the environment variables of this process that configure go are set to what reproducible images need:
// the builder reads them nowhere else. It cannot be interrupted, and looks at ctx only before and after.
func BuildBase(ctx context.Context, o Options) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	a, err := archOf(o.Arch)
	if err != nil {
		return err
	}
	tools, err := askGo(ctx, o.Source)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp(o.Temp, "base-image-")
	if err != nil {
		return fmt.Errorf("make folder for the guest image: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	image, err := newImage(o.Out)
	if err != nil {
		return err
	}
	defer image.Cleanup()
	log, built := llog.New(slog.LevelInfo, llog.WritePrintf(cmp.Or(o.Log, io.Discard))), filepath.Join(temp, "built.cpio")
	err = withGoEnv(a, func() error {
		return uimage.Create(log, baseImage(a, o.Source, tools.GOROOT, temp, built)...)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		err = copyEven(image, built)
	}
	if err != nil {
		return fmt.Errorf("build guest image: %w", err)
	}
	return replaceImage(image)
}

// copyEven copies the archive at path to w. Whatever the umask was under which its files were made, the modes are the same.
func copyEven(w io.Writer, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	out := cpio.Newc.Writer(w)
	return errors.Join(cpio.Copy(out, cpio.Newc.Reader(in), evenMode), cpio.WriteTrailer(out))
}

func evenMode(r cpio.Record) cpio.Record {
	switch kind := r.Mode & cpio.S_IFMT; {
	case kind == cpio.S_IFDIR, kind == cpio.S_IFREG && r.Mode&0o100 != 0:
		r.Mode = kind | 0o755
	case kind == cpio.S_IFREG:
		r.Mode = kind | 0o644
	}
	return r
}

func newImage(out string) (*renameio.PendingFile, error) {
	image, err := renameio.NewPendingFile(out, renameio.WithPermissions(0o644), renameio.WithTempDir(filepath.Dir(out)))
	if err != nil {
		return nil, fmt.Errorf("create guest image: %w", err)
	}
	return image, nil
}

func replaceImage(image *renameio.PendingFile) error {
	if err := image.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("replace guest image: %w", err)
	}
	return nil
}

// archOf is the row of the guests' architecture.
func archOf(machine string) (arch.Arch, error) {
	a, ok := arch.OfMachine(cmp.Or(machine, arch.Host().Name))
	if !ok {
		return a, fmt.Errorf("compile for guests: %q is no known architecture", machine)
	}
	return a, nil
}

func baseImage(a arch.Arch, source, goRoot, temp, out string) []uimage.Modifier {
	// The builder's own default, -a, would ignore the build cache and compile Go's standard library every time.
	build := &golang.BuildOpts{EnableInlining: true, ExtraArgs: []string{"-a=false", "-buildvcs=false"}}
	packages := []string{shellPackage}
	for _, name := range commands {
		packages = append(packages, urootCommands+name)
	}
	env := golang.Default(golang.DisableCGO(), golang.WithGOOS("linux"), golang.WithGOARCH(a.Go),
		golang.WithGOROOT(goRoot), golang.WithGOPATH(""), golang.WithWorkingDir(source), golang.WithBuildTag(shellTag))
	return []uimage.Modifier{
		uimage.WithReplaceEnv(env),
		uimage.WithBusyboxCommands(packages...),
		uimage.WithBusyboxBuildOpts(build),
		uimage.WithCommands(build, builder.Binary, initPackage),
		uimage.WithInit(filepath.Base(initPackage)),
		uimage.WithShell("gosh"),
		uimage.WithBaseArchive(skeleton()),
		uimage.WithSkipLDD(),
		uimage.WithTempDir(temp),
		uimage.WithCPIOOutput(out),
	}
}

// skeleton holds what PID 1 mounts on, and devices: the kernel opens /dev/console for it (init/main.c), where Go's panics go.
func skeleton() *cpio.Archive {
	records := []cpio.Record{
		cpio.CharDev("dev/console", 0o600, 5, 1),
		cpio.CharDev("dev/kmsg", 0o644, 1, 11),
		cpio.CharDev("dev/null", 0o666, 1, 3),
	}
	for _, dir := range []string{"base", "dev", "etc", "payload", "proc", "root", "run", "sys", "tmp"} {
		records = append(records, cpio.Directory(dir, 0o755))
	}
	archive, err := cpio.ArchiveFromRecords(records)
	if err != nil { // an archive in memory takes any record
		panic(err)
	}
	return archive
}

var goEnvMu sync.Mutex

// withGoEnv runs f without the user's settings for go: flags, workspaces, processor levels that an emulated one may lack.
func withGoEnv(a arch.Arch, f func() error) error {
	goEnvMu.Lock()
	defer goEnvMu.Unlock()
	env := map[string]string{
		"GOFLAGS": "-trimpath", // not empty: that would ask the file of `go env -w`
		"GOWORK":  "off", "GO111MODULE": "on", "GOEXPERIMENT": "", "GBB_PATH": "", "UROOT_SOURCE": "",
	}
	if name, level, ok := strings.Cut(a.GoEnv, "="); ok {
		env[name] = level
	}
	for name, value := range env {
		old, was := os.LookupEnv(name)
		os.Setenv(name, value)
		defer func() {
			if was {
				os.Setenv(name, old)
			} else {
				os.Unsetenv(name)
			}
		}()
	}
	return f()
}

// initPackage is PID 1, shellPackage the shell for a person, and urootCommands is where the commands beside them come from.
const (
	initPackage   = "github.com/modmatrix/modmatrix/cmd/modmatrix-init"
	shellPackage  = "github.com/modmatrix/modmatrix/cmd/modmatrix-shell"
	urootCommands = "github.com/u-root/u-root/cmds/core/"
	shellTag      = "goshsmall" // gosh, for scripts, without its line editors and the many packages that these need
)

// commands are u-root's commands in every guest: what somebody who looks at a driver by hand needs. Suites may rely on
// them. Where one needs a module that go.mod does not name, that is a tool there.
var commands = []string{
	"basename", "cat", "chmod", "cmp", "cp", "date", "dd", "df", "dirname", "dmesg", "du", "echo", "false", "find", "free",
	"gosh", "grep", "gzip", "head", "hexdump", "hostname", "id", "insmod", "kill", "ln", "ls", "lsdrivers", "lsmod", "mkdir",
	"mknod", "mktemp", "more", "mount", "mv", "pci", "pidof", "poweroff", "printenv", "ps", "pwd", "readlink", "realpath",
	"rm", "rmmod", "seq", "shasum", "sleep", "sort", "strace", "strings", "stty", "sync", "tail", "tar", "tee", "time",
	"timeout", "touch", "tr", "true", "umount", "uname", "uniq", "uptime", "wc", "which", "xargs", "yes",
}
