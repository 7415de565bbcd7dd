package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
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

// box is where commands run that a stranger wrote: a root, one folder that they may write to as /usr/src/linux, one as
// /out, and nothing else of the host; no network.
type box struct {
	root   kernels.Root
	make   []string // what is passed to every make, as NAME=VALUE without blanks
	linux  string   // host path of the source
	stage  string   // host path for results; "" for none
	ccache string   // host path of the compiler's cache; "" for none
}

func (b box) sandbox(in io.Reader) sandbox.Box {
	env := environment
	if len(b.make) > 0 { // as if on each command line (GNU make manual, "Communicating Options to a Sub-make")
		env = append(slices.Clip(env), [2]string{"MAKEFLAGS", " -- " + strings.Join(b.make, " ")})
	}
	s := sandbox.Box{Root: b.root, Dir: b.linux, At: guestKDIR, Env: env, Stdin: in}
	for _, m := range []kernels.Mount{{Host: b.stage, Guest: guestStage}, {Host: b.ccache, Guest: "/tmp/ccache"}} {
		if m.Host != "" {
			s.Writable = append(s.Writable, m)
		}
	}
	return s
}

// run runs argv in the box; all that it says goes to log. When it returns, no process of the box is left.
func (b box) run(ctx context.Context, in io.Reader, log *buildLog, argv ...string) error {
	exit, err := b.sandbox(in).Run(ctx, log, argv...)
	switch {
	case errors.Is(err, sandbox.ErrNotMade):
		return tools.Failed("bwrap", log.said(), err)
	case err == nil && exit != 0:
		return tools.Failed(argv[0], log.said(), fmt.Errorf("exit status %d", exit))
	}
	return err
}
