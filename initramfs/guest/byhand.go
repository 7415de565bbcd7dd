package guest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// What somebody at a shell starts by hand asks PID 1 for devices, as a suite process does: over pipes that have names, since a shell
// hands no descriptor on.
const (
	byHandFrames = "/run/by-hand-frames"
	byHandAcks   = "/run/by-hand-acks"
)

// handCommands are the programs of a shell that ask for a device, and what for.
var handCommands = map[string]wire.Kind{"plug": wire.KindPlug, "unplug": wire.KindUnplug}

// serveByHand answers what is started in a shell, and returns what its environment needs for that.
func (g *guest) serveByHand() (env []string, err error) {
	var pipes []*os.File
	for _, path := range []string{byHandFrames, byHandAcks} {
		if err := unix.Mkfifo(path, 0o600); err != nil {
			return nil, fmt.Errorf("create the pipes of a shell: %w", err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0) // for both, so that there is no end of file
		if err != nil {
			return nil, fmt.Errorf("create the pipes of a shell: %w", err)
		}
		pipes = append(pipes, f)
	}
	for name := range handCommands {
		if err := linkSelf("/bin/" + name); err != nil {
			return nil, err
		}
	}
	go g.guard(func() {
		pump(pipes[0], pipes[1], func(f wire.Frame) string {
			if f.Kind != wire.KindPlug && f.Kind != wire.KindUnplug {
				return "" // a spec that is run by hand is nobody's evidence
			}
			return g.plug(f)
		})
	})
	return []string{wire.EnvReportFD + "=" + byHandFrames, wire.EnvAckFD + "=" + byHandAcks}, nil
}

// plugs says by its arguments whether somebody started this process as plug or unplug.
func plugs(args []string) bool {
	return len(args) > 0 && handCommands[filepath.Base(args[0])] != "" && os.Getpid() != 1
}

// plugByHand is that process; it returns the exit code.
func plugByHand(args []string) int {
	name := filepath.Base(args[0])
	if len(args) != 2 {
		fmt.Fprintf(os.Stderr, "%s takes the name of a device that --plug, or guest.plug of modmatrix.toml, declares\n", name)
		return 2
	}
	pipe, err := wire.OpenPipe(os.Getenv(wire.EnvReportFD), os.Getenv(wire.EnvAckFD))
	if err == nil {
		err = pipe.Write(wire.Frame{Kind: handCommands[name], Text: args[1]})
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

// awaitDebugger reports where the plan's function of the kernel is, and waits for as long as it takes to attach a debugger.
func (g *guest) awaitDebugger() {
	if g.plan.Debug == "" {
		return
	}
	g.hotplug.mu.Lock()
	defer g.hotplug.mu.Unlock()
	address := ""
	if f, err := os.Open("/proc/kallsyms"); err == nil {
		address = addressOf(f, g.plan.Debug)
		f.Close()
	}
	_ = g.ask(wire.Frame{Kind: wire.KindDebug, Text: address}, nil)
}

// addressOf reads the address of one of the kernel's own symbols from /proc/kallsyms; empty where it is not there, or hidden.
func addressOf(kallsyms io.Reader, symbol string) string {
	for s := bufio.NewScanner(kallsyms); s.Scan(); {
		words := strings.Fields(s.Text())
		if len(words) == 3 && words[2] == symbol && slices.Contains([]string{"T", "t", "W", "w"}, words[1]) && strings.Trim(words[0], "0") != "" {
			return words[0]
		}
	}
	return ""
}
