// Command qemu is the fake QEMU of package vm/vmtest for the scripts in the folder above, with the guests that a script names in its
// file "guest". It is started hundreds of times, so it is a program of its own, that links little.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/modmatrix/modmatrix/harness/testdata/guests"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

func main() {
	register()
	vmtest.Command()
}

func register() {
	vmtest.Register("pass", func(g *vmtest.Guest, _ ...string) { guests.Play(g, frames("passed", "passed")) })
	vmtest.Register("skip", func(g *vmtest.Guest, _ ...string) { guests.Play(g, frames("skipped", "")) })
	vmtest.Register("refuse", func(g *vmtest.Guest, _ ...string) {
		all := frames("", "")
		all[4].Errno = int(syscall.EINVAL)
		guests.Play(g, append(all[:5], all[len(all)-1]))
	})
	vmtest.Register("loader", func(g *vmtest.Guest, _ ...string) { // takes what was built for 6.1 alone
		release := guests.Planned(g, "release")
		if strings.HasPrefix(release, "6.1.") {
			guests.Play(g, frames("passed", "passed"))
			return
		}
		all := frames("", "")
		all[4].Errno = int(syscall.ENOEXEC)
		guests.Play(g, append(all[:5], all[len(all)-1]))
	})
	vmtest.Register("fail-first", func(g *vmtest.Guest, args ...string) {
		all := frames("passed", "passed")
		if os.Mkdir(args[0], 0o755) == nil {
			guests.Play(g, all[:8])
			g.End("guest-reset")
		}
		guests.Play(g, all)
	})
	vmtest.Register("chatter", func(g *vmtest.Guest, _ ...string) { // until it is killed
		w := guests.Play(g, frames("passed", "passed")[:9])
		for n := 0; ; n++ {
			spec := wire.Spec{Name: fmt.Sprintf("spec %d", n)}
			if w.Write(wire.Frame{Kind: wire.KindSpecStart, Spec: &spec}) != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	vmtest.Register("shell", func(g *vmtest.Guest, _ ...string) {
		all := frames("", "")
		guests.Play(g, all[:6])
		greet(g.Terminal, guests.Planned(g, "release"))
	})
}

// greet answers each line until one says exit, or is Ctrl-D.
func greet(term io.ReadWriter, release string) {
	fmt.Fprintf(term, "welcome to %s\n", release)
	in, line := bufio.NewReader(term), ""
	for {
		c, err := in.ReadByte()
		if err != nil || c == '\x04' && line == "" || c == '\n' && line == "exit" {
			break
		}
		line += string(c)
		if c == '\n' {
			fmt.Fprintf(term, "said %s", line)
			line = ""
		}
	}
	fmt.Fprintln(term, "goodbye")
}

// frames are what a guest reports of a module that loads, with two specs that end in these states; "" leaves one out.
func frames(states ...string) []wire.Frame {
	var specs []wire.Spec
	for i, name := range []string{"is loaded", "is \x1b[2J gone"} {
		if states[i] != "" {
			specs = append(specs, wire.Spec{Name: name, State: states[i]})
		}
	}
	return guests.Frames("mydriver", specs...)
}
