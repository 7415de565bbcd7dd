package guests

import (
	"bytes"
	"os"
	"strings"

	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

// Register gives the guests of this package the names by which a script calls them.
func Register() {
	registerSender()
	registerRequested()
	vmtest.Register("pass", func(g *vmtest.Guest, _ ...string) { Pass(g) })
	vmtest.Register("until-load", func(g *vmtest.Guest, _ ...string) { PassUntil(g, UntilLoad) })
	vmtest.Register("until-spec", func(g *vmtest.Guest, _ ...string) { PassUntil(g, UntilSpec) })
	vmtest.Register("fails-from", func(g *vmtest.Guest, args ...string) { FailFrom(g, args[0]) })
	vmtest.Register("fail-first", failFirst)
	vmtest.Register("fail-second", failSecond)
	vmtest.Register("theirs-break", func(g *vmtest.Guest, _ ...string) { passIf(g, isOurs(g)) })
	vmtest.Register("ours-break", func(g *vmtest.Guest, _ ...string) { passIf(g, !isOurs(g)) })
	vmtest.Register("alone", alone)
	vmtest.Register("ready", func(g *vmtest.Guest, _ ...string) { early(g, wire.Frame{Kind: wire.KindReady}) })
	vmtest.Register("complain", func(g *vmtest.Guest, _ ...string) {
		early(g, wire.Frame{Kind: wire.KindTrouble, Text: "no disk"})
	})
}

// failFirst crashes where no folder of that name is there yet.
func failFirst(g *vmtest.Guest, args ...string) {
	if err := os.Mkdir(args[0], 0o755); err == nil {
		Crash(g)
	}
	Pass(g)
}

// failSecond counts in a file the guests that it was called in.
func failSecond(g *vmtest.Guest, args ...string) {
	if note(args[0]) == 2 {
		PassUntil(g, UntilSpec)
		g.Die(1, "no more")
	}
	Pass(g)
}

// isOurs distinguishes guests of the two copies of a module by the file that is loaded in them.
func isOurs(g *vmtest.Guest) bool {
	image, _ := g.Payload()
	return bytes.Contains(image, []byte("OUR OWN COPY"))
}

func passIf(g *vmtest.Guest, good bool) {
	if !good {
		Crash(g)
	}
	Pass(g)
}

// alone is a guest that complains where another runs beside it.
func alone(g *vmtest.Guest, args ...string) {
	if os.Mkdir(args[0], 0o755) != nil {
		g.Die(1, "two guests have the device at once")
	}
	g.AwaitDevice()
	device := wire.Device{Bus: "usb", ID: "046d:c31c", Driver: "fifo", Name: "Keyboard"}
	frames := Frames("fifo", wire.Spec{Name: "works", State: "passed"})
	Play(g, append(frames[:6:6], append([]wire.Frame{{Kind: wire.KindDevice, Device: &device}}, frames[6:]...)...))
	os.Remove(args[0])
	g.End("guest-shutdown")
}

// early sends a frame from a guest that has no plan yet: its nonce is an argument of its kernel, if it has any.
func early(g *vmtest.Guest, f wire.Frame) {
	_, nonce, _ := strings.Cut(g.Arg("-append"), wire.NonceArg)
	nonce, _, _ = strings.Cut(nonce, " ")
	must(wire.NewWriter(g.Report, nonce).Write(f))
}
