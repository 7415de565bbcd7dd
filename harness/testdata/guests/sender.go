package guests

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

// Scripts direct their guest with these functions:
//
//	call send STEP…      send the frames of each step, with the markers that belong to them; see steps
//	call in SUITE STEP…  the same in that suite's round, where it is in the plan; else nothing
//	call frame JSON      send one wire.Frame
//	call spoil HOW       what becomes of the next frame: lose, double, halve, garble, again, or stretch:SIZE
//	call count FILE      note in FILE.guests that there was a guest
//	call once FILE WHAT  in the first guest that comes here: die, or say that beta's round began, or play all of it
//	call stays FILE      leave a file: the guest is as far as it goes
//	call heartbeats      one every 50 ms from now on, whatever else there is; "call heartbeats still" says that something makes no progress
//	call forge NONCE     the next frames come from another, who knows this nonce, or the true one ("itself");
//	                     without one, they come from the guest again
//	call flood KIND N    N frames of a kind
func registerSender() {
	vmtest.Register("send", func(g *vmtest.Guest, words ...string) { listenTo(g).steps(words...) })
	vmtest.Register("in", func(g *vmtest.Guest, words ...string) { listenTo(g).in(words[0], words[1:]...) })
	vmtest.Register("count", func(_ *vmtest.Guest, words ...string) { note(words[0] + ".guests") })
	vmtest.Register("once", func(g *vmtest.Guest, words ...string) {
		if note(words[0]) == 1 {
			listenTo(g).once(words[1])
		}
	})
	vmtest.Register("stays", func(_ *vmtest.Guest, words ...string) { note(words[0]) })
	vmtest.Register("frame", func(g *vmtest.Guest, words ...string) { listenTo(g).frame(strings.Join(words, " ")) })
	vmtest.Register("spoil", func(g *vmtest.Guest, words ...string) { listenTo(g).line.how = words[0] })
	vmtest.Register("heartbeats", func(g *vmtest.Guest, words ...string) { go listenTo(g).beat(len(words) > 0) })
	vmtest.Register("forge", func(g *vmtest.Guest, words ...string) { listenTo(g).forge(words...) })
	vmtest.Register("flood", func(g *vmtest.Guest, words ...string) { listenTo(g).flood(words[0], number(words[1])) })
}

// sender is the one guest that this process plays.
type sender struct {
	guest   *vmtest.Guest
	release string
	nonce   string
	suites  []string // in the plan
	suite   string   // whose round it is; empty outside of rounds
	own     *wire.Writer
	frames  *wire.Writer // own, or one with a forged nonce
	line    *line
	started int // specs
}

var (
	senderOnce sync.Once
	theTeller  *sender
)

// listenTo returns the guest that goes on between the statements of a script.
func listenTo(g *vmtest.Guest) *sender {
	senderOnce.Do(func() {
		image, err := g.Payload()
		must(err)
		t := &sender{guest: g, nonce: Planned(g, "nonce"), release: Planned(g, "release"), line: &line{to: g.Report}}
		for _, m := range regexp.MustCompile(`"name": "([^"]*)",\s*"path": "`+wire.SuitePath).FindAllSubmatch(image, -1) {
			t.suites = append(t.suites, string(m[1]))
		}
		t.own = wire.NewWriter(t.line, t.nonce)
		t.frames = t.own
		theTeller = t
	})
	return theTeller
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	must(err)
	return n
}

// whole is every step of a guest that passes.
var whole = []string{"boot", "load", "test", "unload", "end"}

// steps are what a guest goes through: other steps, or frames with what stands behind the colon.
var steps = map[string][]string{
	"through": whole,
	"boot":    {"hello", "taint:boot=0", "plan:one,two"},
	"load":    {"begin:load", "loaded", "done:load", "taint:load=4096"},
	"test":    {"begin:test", "pass:one", "pass:two", "exit:0", "done:test", "taint:test=4096"},
	"unload":  {"begin:unload", "unloaded", "done:unload", "taint:unload=4096"},
	"end":     {"begin:shutdown", "done:shutdown", "over"},
}

func (t *sender) steps(words ...string) {
	for _, word := range words {
		if inner, ok := steps[word]; ok {
			t.steps(inner...)
			continue
		}
		verb, arg, _ := strings.Cut(word, ":")
		for _, f := range t.framesOf(verb, arg) {
			t.send(f)
		}
	}
}

// in sends what a round consists of.
func (t *sender) in(suite string, words ...string) {
	if !slices.Contains(t.suites, suite) {
		return
	}
	t.suite, t.started = suite, 0
	t.steps(words...)
	t.suite = ""
}

// once does what is not done again.
func (t *sender) once(what string) {
	switch what {
	case "die":
		t.guest.Die(134, "Assertion failed.")
	case "begin-beta":
		t.in("beta", "begin:load")
	case "play-beta":
		t.in("beta", "load", "test", "unload")
	default:
		panic("once " + what)
	}
}

// note adds a byte to a file, and gives its size.
func note(path string) int {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	must(err)
	_, err = f.WriteString(".")
	must(errors.Join(err, f.Close()))
	info, err := os.Stat(path)
	must(err)
	return int(info.Size())
}

// framesOf returns the frames of a step that is made of frames.
func (t *sender) framesOf(verb, arg string) []wire.Frame {
	spec := func(kind wire.Kind, state string) wire.Frame {
		return wire.Frame{Kind: kind, Spec: &wire.Spec{Name: strings.ReplaceAll(arg, "_", " "), State: state}}
	}
	errno, _ := strconv.Atoi(arg)
	switch verb {
	case "hello":
		f := wire.Frame{Kind: wire.KindHello, Release: t.release}
		if arg != "" {
			f.Release = arg
		}
		return []wire.Frame{f}
	case "begin", "done":
		return []wire.Frame{{Kind: wire.KindStage, Stage: arg, Done: verb == "done"}}
	case "taint":
		stage, bits, _ := strings.Cut(arg, "=")
		return []wire.Frame{{Kind: wire.KindTaint, Stage: stage, Taint: uint64(number(bits))}}
	case "plan":
		return plans(arg)
	case "loaded":
		return []wire.Frame{{Kind: wire.KindLoad, Module: "fifo", Errno: errno}}
	case "unloaded":
		return []wire.Frame{{Kind: wire.KindUnload, Module: "fifo", Errno: errno}}
	case "start":
		return []wire.Frame{spec(wire.KindSpecStart, "")}
	case "pass", "fail", "skip", "panic":
		state := map[string]string{"pass": "passed", "fail": "failed", "skip": "skipped", "panic": "panicked"}[verb]
		return []wire.Frame{spec(wire.KindSpecStart, ""), spec(wire.KindSpecEnd, state)}
	case "ended":
		return []wire.Frame{spec(wire.KindSpecEnd, "passed")}
	case "exit":
		return []wire.Frame{{Kind: wire.KindSuiteEnd, ExitCode: errno}}
	case "reset":
		must(t.guest.End("guest-reset"))
	case "off":
		must(t.guest.End("guest-shutdown"))
	case "warns":
		fmt.Fprintln(t.guest.Console, "[    2.000000] WARNING: CPU: 0 PID: 1 at fifo.c:7 fifo_read+0x1/0x2 [fifo]")
		return nil
	case "over":
		return []wire.Frame{{Kind: wire.KindEnd}}
	}
	panic("no step " + verb)
}

// plans are the frames of a plan: names between commas, or so many.
func plans(arg string) []wire.Frame {
	var specs []wire.Spec
	if n, err := strconv.Atoi(arg); err == nil {
		for i := range n {
			specs = append(specs, wire.Spec{Name: fmt.Sprint("spec ", i)})
		}
	} else {
		for name := range strings.SplitSeq(arg, ",") {
			specs = append(specs, wire.Spec{Name: name})
		}
	}
	var frames []wire.Frame
	for len(specs) > 0 {
		n := min(len(specs), 1000)
		frames = append(frames, wire.Frame{Kind: wire.KindPlan, Specs: specs[:n]})
		specs = specs[n:]
	}
	return frames
}

// send writes the marker that belongs to f, and f.
func (t *sender) send(f wire.Frame) {
	switch f.Kind {
	case wire.KindStage:
		t.mark(wire.Mark{Suite: t.suite, Stage: f.Stage, Done: f.Done})
	case wire.KindSpecStart:
		t.started++
		t.mark(wire.Mark{Suite: t.suite, Spec: t.started, Name: f.Spec.Name})
	case wire.KindSpecEnd:
		t.mark(wire.Mark{Suite: t.suite, Spec: max(t.started, 1), Name: f.Spec.Name, Done: true})
	}
	f.Suite = cmp.Or(f.Suite, t.suite)
	must(t.frames.Write(f))
}

func (t *sender) mark(m wire.Mark) {
	fmt.Fprintf(t.guest.Console, "[    1.000000] %s\n", wire.Marker(t.nonce, m))
}

func (t *sender) frame(text string) {
	var f wire.Frame
	must(json.Unmarshal([]byte(text), &f))
	t.send(f)
}

func (t *sender) forge(nonce ...string) {
	t.frames = t.own
	switch {
	case len(nonce) == 0:
	case nonce[0] == "itself": // from a spec, which can read the plan
		t.frames = wire.NewWriter(t.line, t.nonce)
	default:
		t.frames = wire.NewWriter(t.line, nonce[0])
	}
}

func (t *sender) beat(still bool) {
	for f := (wire.Frame{Kind: wire.KindHeartbeat}); ; {
		if still {
			f.Still += 50
		}
		must(t.own.Write(f))
		time.Sleep(50 * time.Millisecond)
	}
}

// flood sends n frames of a kind: specs that pass, or text that is as long as it can be.
func (t *sender) flood(kind string, n int) {
	text := strings.Repeat("x", 1<<20)
	for i := range n {
		switch kind {
		case "passes":
			t.steps(fmt.Sprint("pass:spec_", i))
		case "names":
			t.steps("pass:" + text)
		case "ends":
			t.send(wire.Frame{Kind: wire.KindSpecEnd, Spec: &wire.Spec{Name: fmt.Sprint("spec ", i), State: "passed"}})
		default:
			t.send(wire.Frame{Kind: wire.Kind(kind), Text: text})
		}
	}
}
