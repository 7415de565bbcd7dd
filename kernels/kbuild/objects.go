package kbuild

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
	"github.com/modmatrix/modmatrix/results"
)

// Where ccache finds what it kept, and what a root has in place of its compilers; a root without ccache has no such folder.
const (
	guestObjects = "/tmp/ccache"
	ccachePath   = "/usr/lib/ccache"
	maxObjects   = "256M" // of one module for one kernel
	statsName    = "objects.log"
	maxStats     = 4 << 20
)

// objectsEnvironment has compilers come to ccache first. It is not to call the preprocessor before the compiler on what it has never
// seen, as the compiler writes a list of what it reads in any case (ccache(1), depend_mode). It reads no configuration from the folder, which
// may be damaged, and maps no file of it into memory: of one that was cut short, it would die.
var objectsEnvironment = [][2]string{
	{"CCACHE_DIR", guestObjects}, {"CCACHE_MAXSIZE", maxObjects}, {"CCACHE_DEPEND", "1"},
	{"CCACHE_CONFIGPATH", "/dev/null"}, {"CCACHE_NOINODECACHE", "1"},
	{"CCACHE_STATSLOG", guestObjects + "/" + statsName},
}

// keepObjects lets a build take objects of earlier ones from the folder Objects, and leave its own there.
func (r Request) keepObjects(s *Sandbox) {
	if r.Objects == "" {
		return
	}
	s.Writable = append(slices.Clip(s.Writable), kernels.Mount{Host: r.Objects, Guest: guestObjects})
	s.Env = append(slices.Clip(s.Env), objectsEnvironment...)
	s.Env = append(s.Env, [2]string{"PATH", ccachePath + ":" + searchPath()})
}

// searchPath is where commands in a sandbox are looked for.
func searchPath() string {
	i := slices.IndexFunc(sandbox.Environment, func(e [2]string) bool { return e[0] == "PATH" })
	return sandbox.Environment[i][1]
}

// forgetStats removes what earlier builds noted.
func (r Request) forgetStats() {
	if r.Objects != "" {
		_ = os.Remove(filepath.Join(r.Objects, statsName))
	}
}

// reuse reads what ccache noted: for each call the input's name behind a "#", and words for what came of it. Where the kernel's build system
// only asks what the compiler can do, there is nothing in the input (Linux scripts/Makefile.compiler, cc-option).
func (r Request) reuse() (u results.Objects) {
	if r.Objects == "" {
		return u
	}
	text, err := kernels.ReadFileIn(r.Objects, statsName, maxStats)
	if err != nil { // an old ccache has no such log
		return u
	}
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	asked := false
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "# "); ok {
			asked = name == os.DevNull || name == "-"
		}
		if asked {
			continue
		}
		switch lines.Text() {
		case "direct_cache_hit", "preprocessed_cache_hit":
			u.Reused++
		case "cache_miss":
			u.Compiled++
		}
	}
	return u
}
