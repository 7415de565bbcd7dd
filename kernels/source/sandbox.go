package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
)

const (
	guestKDIR  = "/usr/src/linux" // where a kernel is compiled and where modules find it: the same for all
	guestStage = "/out"           // where what is to be kept is put
	buildTime  = 946684800        // 2000-01-01T00:00:00Z: the image depends on source, configuration and compiler alone
	ccacheMax  = "1G"             // a minimal kernel takes 50 MB of it; nobody but ccache itself makes room in there
)

// environment is all that a build knows of where it runs (Linux Documentation/kbuild/reproducible-builds.rst).
var environment = [][2]string{
	{"CCACHE_DIR", "/tmp/ccache"}, {"CCACHE_MAXSIZE", ccacheMax}, {"CCACHE_NOHASHDIR", "1"},
	{"HOME", "/tmp"},
	{"KBUILD_BUILD_HOST", "modmatrix"}, {"KBUILD_BUILD_USER", "modmatrix"},
	{"KBUILD_BUILD_TIMESTAMP", "@" + strconv.Itoa(buildTime)}, {"SOURCE_DATE_EPOCH", strconv.Itoa(buildTime)},
	{"LC_ALL", "C"},
	{"PATH", "/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin"}, // no ccache in the root: the folder is not there
	{"TZ", "UTC"},
}

// hostFolders is what a build in the host's own root may see.
var hostFolders = []string{"/bin", "/etc/alternatives", "/etc/ld.so.cache", "/lib", "/lib32", "/lib64", "/sbin", "/usr"}

// box is where commands run that a stranger wrote: a root, one folder that they may write to as /usr/src/linux, one as
// /out, and nothing else of the host; no network.
type box struct {
	root   kernels.Root
	make   []string // what is passed to every make, as NAME=VALUE without blanks
	linux  string   // host path of the source
	stage  string   // host path for results; "" for none
	ccache string   // host path of the compiler's cache; "" for none
}

func (b box) args() []string {
	args := []string{"--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv", "--hostname", "modmatrix"}
	for _, e := range environment {
		args = append(args, "--setenv", e[0], e[1])
	}
	if len(b.make) > 0 { // as if on each command line (GNU make manual, "Communicating Options to a Sub-make")
		args = append(args, "--setenv", "MAKEFLAGS", " -- "+strings.Join(b.make, " "))
	}
	if b.root.Dir != "" {
		args = append(args, "--ro-bind", b.root.Dir, "/")
	} else {
		for _, dir := range hostFolders {
			if target, err := os.Readlink(dir); err == nil {
				args = append(args, "--symlink", target, dir)
			} else {
				args = append(args, "--ro-bind-try", dir, dir)
			}
		}
		args = append(args, "--tmpfs", "/usr/src")
	}
	args = append(args, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", b.linux, guestKDIR)
	if b.stage != "" {
		args = append(args, "--bind", b.stage, guestStage)
	}
	if b.ccache != "" {
		args = append(args, "--bind", b.ccache, "/tmp/ccache")
	}
	return append(args, "--remount-ro", "/proc", "--remount-ro", "/dev", "--chdir", guestKDIR, "--")
}

// run runs argv in the box; all that it says goes to log. When it returns, no process of the box is left.
func (b box) run(ctx context.Context, in io.Reader, log *buildLog, argv ...string) error {
	if b.root.Dir != "" { // everything there is read-only in the box, so the place to mount on must be there
		if err := os.MkdirAll(filepath.Join(b.root.Dir, guestKDIR), 0o755); err != nil {
			return fmt.Errorf("ready the root: %w", err)
		}
	}
	gone, held, err := os.Pipe()
	if err != nil {
		return err
	}
	defer gone.Close()
	cmd := tools.Command(ctx, "bwrap", append(b.args(), argv...)...)
	cmd.Env = []string{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, log, log
	cmd.ExtraFiles = []*os.File{held} // every process of the box inherits it
	_, err = tools.Run(ctx, cmd)
	held.Close()
	_ = gone.SetReadDeadline(time.Now().Add(killGrace))
	_, _ = gone.Read(make([]byte, 1)) // ends when the last of them has
	if failed := (*kernels.ToolError)(nil); errors.As(err, &failed) {
		failed.Tool, failed.Output = argv[0], log.said()
	}
	return err
}
