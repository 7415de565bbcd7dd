package initramfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/u-root/gobusybox/src/pkg/golang"
	"github.com/u-root/mkuimage/cpio"
	"github.com/u-root/mkuimage/uimage"
	"github.com/u-root/mkuimage/uimage/builder"
	"github.com/u-root/uio/llog"
)

// Options tell BuildBase what to build from and where to.
type Options struct {
	Source string    // folder of this module's source, as FindSource gives it; it is only read
	Out    string    // the image, written whole or not at all
	Temp   string    // existing folder for what is thrown away afterwards; empty means the system's
	Log    io.Writer // what the image builder says; nil drops it
}

// BuildBase makes the image that all guests share: PID 1 as /init, u-root's commands in /bbin. The same source and
// toolchain give the same bytes. It takes most of a minute with an empty build cache and seconds with a full one.
//
// While it runs, the variables of this process' environment that steer go are set to what reproducible images need: the
// builder takes them from nowhere else. It ends go with the process group, and looks at ctx only before and after.
func BuildBase(ctx context.Context, o Options) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	root, _, err := toolchain(o.Source)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp(o.Temp, "base-image-")
	if err != nil {
		return fmt.Errorf("make folder for the guest image: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if o.Log == nil {
		o.Log = io.Discard
	}
	image, err := os.CreateTemp(filepath.Dir(o.Out), ".base-*.cpio")
	if err != nil {
		return fmt.Errorf("create guest image: %w", err)
	}
	defer os.Remove(image.Name()) // after the rename there is nothing to remove
	if err := errors.Join(image.Chmod(0o644), image.Close()); err != nil {
		return fmt.Errorf("create guest image: %w", err)
	}
	err = withGoEnv(func() error {
		return uimage.Create(logger(o.Log), baseImage(o.Source, root, temp, image.Name())...)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("build guest image: %w", err)
	}
	if err := os.Rename(image.Name(), o.Out); err != nil {
		return fmt.Errorf("put guest image in place: %w", err)
	}
	return nil
}

// baseImage describes the base to u-root's image builder.
func baseImage(source, goRoot, temp, out string) []uimage.Modifier {
	// The cache of go is trusted: -a, which the builder gives by itself, would compile Go's own library every time.
	build := &golang.BuildOpts{EnableInlining: true, ExtraArgs: []string{"-a=false", "-buildvcs=false"}}
	packages := []string{shellPackage}
	for _, name := range commands {
		packages = append(packages, urootCommands+name)
	}
	// gosh is for scripts: without its own line editors it needs far fewer packages.
	env := golang.Default(golang.DisableCGO(), golang.WithGOOS("linux"), golang.WithGOARCH(runtime.GOARCH),
		golang.WithGOROOT(goRoot), golang.WithGOPATH(""), golang.WithWorkingDir(source), golang.WithBuildTag("goshsmall"))
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

// skeleton holds the folders that PID 1 mounts on, and the devices it needs before it has mounted them: the kernel opens
// /dev/console for PID 1 (init/main.c), and without one its panics are lost.
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

func logger(w io.Writer) *llog.Logger {
	return llog.New(slog.LevelInfo, llog.WritePrintf(w))
}

var goEnvMu sync.Mutex

// withGoEnv runs f under an environment in which nothing that the user set for other builds reaches go: flags, work
// spaces, and processor levels that an emulated processor may not have.
func withGoEnv(f func() error) error {
	goEnvMu.Lock()
	defer goEnvMu.Unlock()
	for name, value := range map[string]string{
		"GOFLAGS": "-trimpath", // not empty: that would ask the file of `go env -w`
		"GOWORK":  "off", "GO111MODULE": "on", "GOAMD64": "v1", "GOARM64": "v8.0", "GOEXPERIMENT": "", "GBB_PATH": "", "UROOT_SOURCE": "",
	} {
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

// toolchain asks go where it lies and which version builds source.
func toolchain(source string) (root, version string, err error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return "", "", errors.New("no go command on PATH, which the guest image is built with: install Go 1.26 or later")
	}
	env := golang.Default(golang.WithCompiler(path), golang.WithWorkingDir(source), golang.WithGOPATH(""), golang.WithGOROOT(""))
	out, err := env.GoCmd("env", "-json", "GOROOT", "GOVERSION").Output()
	var said struct{ GOROOT, GOVERSION string }
	if err == nil {
		err = json.Unmarshal(out, &said)
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%s", firstLine(exit.Stderr))
	}
	if err != nil {
		return "", "", fmt.Errorf("ask go for its version: %w", err)
	}
	return said.GOROOT, said.GOVERSION, nil
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line
}
