// Package guests plays guests that report as the real one does, for the tests of the harness and of those who use it. It is
// here, and not beside vm/vmtest, because it knows what a guest and the harness say to each other.
package guests

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

// How many frames of a guest that runs one spec it sends before it does something else.
const (
	UntilLoad = 4 // the module is being loaded
	UntilSpec = 8 // the spec runs
)

// Frames are what a guest reports in which a module is loaded and unloaded again, and in between each spec ends in its state.
func Frames(module string, specs ...wire.Spec) []wire.Frame {
	var planned []wire.Spec
	var ran []wire.Frame
	for _, ended := range specs {
		spec := wire.Spec{Name: ended.Name}
		planned = append(planned, spec)
		ran = append(ran, wire.Frame{Kind: wire.KindSpecStart, Spec: &spec}, wire.Frame{Kind: wire.KindSpecEnd, Spec: &ended})
	}
	return slices.Concat([]wire.Frame{
		{Kind: wire.KindHello},
		{Kind: wire.KindTaint, Stage: "boot"},
		{Kind: wire.KindPlan, Specs: planned},
		{Kind: wire.KindStage, Stage: "load"},
		{Kind: wire.KindLoad, Module: module},
		{Kind: wire.KindStage, Stage: "load", Done: true},
		{Kind: wire.KindStage, Stage: "test"},
	}, ran, []wire.Frame{
		{Kind: wire.KindSuiteEnd},
		{Kind: wire.KindStage, Stage: "test", Done: true},
		{Kind: wire.KindStage, Stage: "unload"},
		{Kind: wire.KindUnload, Module: module},
		{Kind: wire.KindStage, Stage: "unload", Done: true},
		{Kind: wire.KindEnd},
	})
}

// Play sends frames as the guest of the plan that g was given, with the markers that belong to them on the console.
func Play(g *vmtest.Guest, frames []wire.Frame) *wire.Writer {
	nonce := Planned(g, "nonce")
	w := wire.NewWriter(g.Report, nonce)
	for _, f := range frames {
		if f.Kind == wire.KindHello {
			f.Release = Planned(g, "release")
		}
		if f.Kind == wire.KindStage {
			fmt.Fprintf(g.Console, "[    1.000000] %s\n", wire.Marker(nonce, wire.Mark{Stage: f.Stage, Done: f.Done}))
		}
		if err := w.Write(f); err != nil {
			panic(err)
		}
	}
	return w
}

// Planned is a field of the plan that g was given.
func Planned(g *vmtest.Guest, field string) string {
	image, err := g.Payload()
	if err != nil {
		panic(err)
	}
	return string(regexp.MustCompile(`"` + field + `": "([^"]*)"`).FindSubmatch(image)[1])
}

// Pass is a guest whose one spec passes.
func Pass(g *vmtest.Guest) { Play(g, passing) }

// Crash is the same guest, which is reset while its spec runs.
func Crash(g *vmtest.Guest) {
	Play(g, passing[:UntilSpec])
	g.End("guest-reset")
}

// PassUntil is the same guest, as far as its first n frames.
func PassUntil(g *vmtest.Guest, n int) { Play(g, passing[:n]) }

var passing = Frames("fifo", wire.Spec{Name: "one", State: "passed"})

// FailFrom is a guest that passes on the kernels 1.0 to 1.(N-1), and crashes on those from 1.N on.
func FailFrom(g *vmtest.Guest, n string) {
	var minor, from int
	fmt.Sscanf(Planned(g, "release"), "1.%d", &minor)
	fmt.Sscanf(n, "%d", &from)
	if minor < from {
		Pass(g)
	} else {
		Crash(g)
	}
}
