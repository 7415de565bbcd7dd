package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// recipe is the number of the way in which trees are made here; whoever changes what comes out raises it.
const recipe = "1"

// idSize is how many digits of a digest distinguish things in the store.
const idSize = 16

type job struct {
	src    *Source
	target kernels.Target
	origin origin
	root   kernels.Root
	config request
	report func(kernels.Progress)
}

func (j job) digest() string {
	return store.Digest(recipe, j.origin.id(), j.target.Release, strconv.FormatBool(j.config.whole), j.config.String(), j.root.Digest)
}

// make fills dir, which holds the whole source meanwhile, some 2 GB. One kernel is compiled at a time, by all processors.
func (j job) make(ctx context.Context, dir string) (err error) {
	j.report(kernels.Progress{What: "wait for another kernel that is compiled"})
	unlock, err := j.src.store.Lock(ctx, "source.compile", true)
	if err != nil {
		return err
	}
	defer unlock()
	b, err := j.box(ctx, dir)
	if err != nil {
		return err
	}
	logPath := filepath.Join(j.src.store.Dir(), "compile", j.target.Release+"-"+j.digest()[:idSize]+".log") // it outlives a build that fails
	if err := os.MkdirAll(filepath.Dir(logPath), 0o755); err != nil {
		return err
	}
	file, err := os.Create(logPath)
	if err != nil {
		return err
	}
	defer file.Close()
	log := &buildLog{out: file, report: j.report}
	for _, step := range []func(context.Context, box, *buildLog) error{j.unpack, j.configure, j.compile, j.stage} {
		err := step(ctx, b, log)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.As(err, new(*kernels.ToolError)) {
			return fmt.Errorf("%w (all of it: %s)", err, logPath)
		}
		if err != nil {
			return err
		}
	}
	if err := prune(b.linux, j.target.Machine()); err != nil {
		return fmt.Errorf("drop what no module is built with: %w", err)
	}
	if err := j.finish(dir); err != nil {
		return fmt.Errorf("%w (all of it: %s)", err, logPath)
	}
	return os.Remove(logPath)
}

func (j job) box(ctx context.Context, dir string) (box, error) {
	where, err := j.origin.home(ctx)
	if err != nil {
		return box{}, err
	}
	b := box{
		make: toolsOf(j.target), root: j.root, linux: filepath.Join(dir, "linux"), stage: filepath.Join(dir, "stage"),
		// One for each place that sources come from: whoever compiles in it could leave others what he likes.
		ccache: filepath.Join(j.src.store.Dir(), "ccache", store.Digest(j.origin.kind, where)[:idSize]),
	}
	for _, d := range []string{b.linux, b.stage, b.ccache} {
		err = errors.Join(err, os.MkdirAll(d, 0o755))
	}
	return b, err
}

// unpack puts the source into the box and looks whether it is what was resolved.
func (j job) unpack(ctx context.Context, b box, log *buildLog) error {
	log.step("unpack linux "+j.target.Release, 0)
	if err := j.origin.unpack(ctx, b, log); err != nil {
		return fmt.Errorf("unpack the source: %w", err)
	}
	makefile, err := kernels.ReadFileIn(b.linux, "Makefile", maxFile)
	if err != nil {
		return fmt.Errorf("read the source's Makefile: %w", err)
	}
	v, err := readVersion(makefile)
	if err != nil {
		return err
	}
	if j.target.Version != v.String() {
		return fmt.Errorf("the source is %s%s and was resolved as %s: it changed meanwhile, run again", v, v.extra, j.target.Release)
	}
	return b.run(ctx, nil, log, "sh", "-c", nameScript, "sh", j.origin.suffix(j.target.Release))
}

// nameScript has the release end as the target's does and not otherwise (Linux scripts/setlocalversion). CONFIG_LOCALVERSION would do,
// too, but all objects depend on the configuration: of the next commit, ccache would have to preprocess each.
const nameScript = `rm -rf .git .scmversion localversion*
[ -z "$1" ] || echo "$1" > localversion`

// maxFile bounds a file of the tree that is read, in bytes; the kernel's own Makefile and the largest configuration have less than 300 KB.
const maxFile = 4 << 20

// configureScript makes .config of request.config. EXPERT stays out of the first step: with it, "allnoconfig" would switch
// off what only experts may. The second step adds it where it is asked for, and what only it allows.
const configureScript = `set -e
if [ "$1" ]; then make -s "$1"; else
	grep -v '^CONFIG_EXPERT=' request.config > first.config
	make -s KCONFIG_ALLCONFIG=first.config allnoconfig
fi
cat request.config >> .config
make -s olddefconfig
rm -f first.config
make -s LOCALVERSION= kernelrelease > kernel.release`

// configure makes the configuration, and looks whether the kernel took every line of what was asked.
func (j job) configure(ctx context.Context, b box, log *buildLog) error {
	log.step("configure linux "+j.target.Release, 0)
	text := j.config.String() + "# CONFIG_LOCALVERSION_AUTO is not set\n"
	tree, err := os.OpenRoot(b.linux)
	if err != nil {
		return err
	}
	defer tree.Close()
	if err := tree.WriteFile("request.config", []byte(text), 0o644); err != nil {
		return err
	}
	start := ""
	if j.config.whole {
		start = j.target.Machine().Kernel.Defconfig
	}
	if err := b.run(ctx, nil, log, "sh", "-c", configureScript, "sh", start); err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	release, err := kernels.ReadRegular(tree, "kernel.release", maxFile)
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(string(release)); got != j.target.Release {
		return fmt.Errorf("the configured kernel calls itself %q and not %s: a profile sets LOCALVERSION", got, j.target.Release)
	}
	return j.verify(tree)
}

// objectsPerSymbol is how many objects a kernel has for each symbol that is built in, give or take a third.
const objectsPerSymbol = 1.75

func (j job) compile(ctx context.Context, b box, log *buildLog) error {
	tree, err := os.OpenRoot(b.linux)
	if err != nil {
		return err
	}
	defer tree.Close()
	config, err := readConfig(tree)
	if err != nil {
		return err
	}
	log.step("compile linux "+j.target.Release, int64(float64(config.Len())*objectsPerSymbol))
	if err := b.run(ctx, nil, log, "make", "-j"+strconv.Itoa(runtime.NumCPU()), "LOCALVERSION=", j.target.Machine().Kernel.Target, "modules"); err != nil {
		return fmt.Errorf("compile: %w", err)
	}
	return nil
}

// stageScript puts what is booted and loaded into /out. depmod comes with modules_install.
const stageScript = `set -e
make -s LOCALVERSION= INSTALL_MOD_PATH=/out INSTALL_MOD_STRIP=1 modules_install
cp .config /out/config
cp System.map /out/System.map
cp "$1" /out/vmlinuz
rm -f request.config kernel.release`

func (j job) stage(ctx context.Context, b box, log *buildLog) error {
	log.step("install linux "+j.target.Release, 0)
	if err := b.run(ctx, nil, log, "sh", "-c", stageScript, "sh", j.target.Machine().Kernel.Image); err != nil {
		return fmt.Errorf("install: %w", err)
	}
	return nil
}
