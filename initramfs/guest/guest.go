package guest

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/results/wire/calm"
)

// pulse is the time between heartbeats.
const pulse = time.Second

// Main is PID 1, and also the program that the kernel starts as modprobe, and plug and unplug of a shell. It returns only where it is none of them.
func Main() {
	if isModprobe(os.Args) {
		os.Exit(modprobe(requestDir, os.Args))
	}
	if plugs(os.Args) {
		os.Exit(plugByHand(os.Args))
	}
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "modmatrix-init: runs only as PID 1 of a guest")
		return
	}
	debug.SetGCPercent(-1)         // collecting is slow on an emulated processor
	debug.SetMemoryLimit(32 << 20) // the guest's memory is for the module and its suite
	g := setUp()
	g.guard(func() {
		if _, err := os.Stat(wire.PlanPath); os.IsNotExist(err) {
			g.awaitPayload()
		}
		g.run()
	})
	powerOff()
}

type guest struct {
	here     *here        // nil in a guest, which is a machine of its own
	places   places       // where it finds things
	port     *port        // to the host
	frames   *wire.Writer // on port
	kmsg     int          // /dev/kmsg, for markers; -1 without it
	reaper   *reaper
	events   *uevents
	plan     wire.Plan
	output   *output // of the suite
	hotplug  hotplug
	hardware hardware
	requests *requests // of the kernel for modules; nil where they cannot be served

	suite     atomic.Pointer[string] // the name of the round's suite; nil outside of rounds
	stageName atomic.Pointer[string] // the stage that began last
	tainted   atomic.Uint64          // as read last
	under     loading                // the modules under test
	shown     []string               // of these, what the plan lists that suites read
	watch     watch
	trouble   []string // to report after the hello

	epoch      int64 // milliseconds from boot to the payload; zero where it was in the initramfs
	payloadErr error // why the payload did not arrive whole
}

// places are where the plan lies, and what a suite process is given.
type places struct{ plan, run, tmp, home, path string }

var ofGuest = places{wire.PlanPath, "/run", "/tmp", "/root", "/bbin:/bin"}

func newGuest(p places) *guest {
	g := &guest{places: p, kmsg: -1, reaper: newReaper(), events: openUevents()}
	g.stageName.Store(new(string))
	g.watch.proc, g.watch.self, g.watch.returns.dir, g.watch.report = "/proc", os.Getpid(), "/sys/kernel/tracing/instances/modmatrix", g.stuckAt
	return g
}

// setUp does everything that does not depend on the plan. A guest can be frozen behind it.
func setUp() *guest {
	g := newGuest(ofGuest)
	g.trouble = mountAll()
	calm.Down("/proc")
	showProcessors()
	var err error
	g.kmsg, err = openKmsg()
	g.note(err)
	g.trouble = append(g.trouble, loadBase(wire.BaseDir)...)
	g.requests, err = openRequests(requestDir)
	g.note(err)
	if g.port, err = openPort(portPath()); err != nil {
		g.log("modmatrix: " + err.Error()) // the console is all that is left
		powerOff()
	}
	return g
}

func (g *guest) note(err error) {
	if err != nil {
		g.trouble = append(g.trouble, err.Error())
	}
}

func (g *guest) run() {
	g.hello()
	if g.here != nil && !g.settleIn() {
		return
	}
	go g.guard(g.beat)
	go g.guard(g.look)
	g.serveRequests()
	g.rounds()
	g.stage(wire.StageShutdown, func() {
		g.reaper.killAll()
		syncDisks()
	})
	g.requests.stop()
	if g.here != nil {
		g.leave()
	}
	g.send(wire.Frame{Kind: wire.KindEnd})
}

// serveRequests makes this program the kernel's modprobe, and answers what is asked of it: by what the plan has loaded for the kernel,
// by the modules under test, and else by reporting it.
func (g *guest) serveRequests() {
	if g.requests == nil {
		return
	}
	if err := installModprobe(); err != nil {
		g.fail("%v", err)
	}
	go g.guard(func() {
		g.requests.serve(func(f func()) { go g.guard(f) }, func(name string) bool {
			own, loaded := g.modprobe(name)
			if own || slices.Contains(g.plan.Asked, name) {
				return loaded || !own
			}
			g.requests.once(name, func() { g.send(wire.Frame{Kind: wire.KindWanted, Text: name}) })
			return false
		})
	})
}

// hello reads the plan, sets the clock, seeds the random numbers and reports that PID 1 is up.
func (g *guest) hello() {
	plan, err := wire.ReadPlan(g.places.plan)
	if g.payloadErr != nil {
		plan, err = wire.Plan{Nonce: plan.Nonce}, g.payloadErr
	}
	g.plan = plan
	g.under.reset()
	for _, m := range plan.Modules {
		g.shown = append(g.shown, m.Name)
	}
	g.watch.patience = time.Duration(plan.PatienceMS) * time.Millisecond
	g.frames = wire.NewWriter(g.port, plan.Nonce)
	g.frames.Clock = g.clock
	g.output = &output{send: func(text string) { g.send(wire.Frame{Kind: wire.KindOutput, Text: text}) }}
	if err == nil && plan.Time > 0 && g.here == nil {
		now := unix.NsecToTimespec(plan.Time)
		err = unix.ClockSettime(unix.CLOCK_REALTIME, &now)
	}
	if err == nil && len(plan.Seed) > 0 && g.here == nil {
		err = reseed(plan.Seed)
	}
	g.note(err)
	hello := wire.Frame{Kind: wire.KindHello, Release: g.release()}
	if g.here != nil {
		hello.Count = os.Getpid()
	}
	g.send(hello)
	for _, text := range g.trouble {
		g.fail("%s", text)
	}
}

// release is uname -r.
func (g *guest) release() string {
	var u unix.Utsname
	_ = unix.Uname(&u) // fails for bad pointers only
	return unix.ByteSliceToString(u.Release[:])
}

// stage runs f between the frames and markers of a stage.
func (g *guest) stage(name string, f func()) {
	g.stageName.Store(&name)
	g.announce("")
	g.mark(wire.Mark{Stage: name})
	g.send(wire.Frame{Kind: wire.KindStage, Stage: name})
	f()
	g.mark(wire.Mark{Stage: name, Done: true})
	g.send(wire.Frame{Kind: wire.KindStage, Stage: name, Done: true})
}

// beat reports that PID 1 is alive, whatever else hangs in the kernel.
func (g *guest) beat() {
	for range time.Tick(pulse) {
		g.output.flush()
		g.events.drain()
		g.send(wire.Frame{Kind: wire.KindHeartbeat, Still: g.watch.still.Load()})
	}
}

// look watches for threads that stand still, beside the heartbeat: looking may wait for one of them. A person at a shell may
// let anything wait.
func (g *guest) look() {
	if g.plan.Interactive {
		return
	}
	for range time.Tick(pulse) {
		g.watch.beat(time.Duration(sinceBoot()) * time.Millisecond)
	}
}

// switchOff ends the guest; on a machine that is not ours, this process. It does not return.
func (g *guest) switchOff() {
	if g.here != nil {
		g.bail()
	}
	powerOff()
}

// guard runs f. If f panics, that is reported and the guest powers off; the kernel does not panic.
func (g *guest) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			g.fail("PID 1 panicked: %v\n%s", p, debug.Stack())
			g.switchOff()
		}
	}()
	f()
}

// send sends a frame. Where that fails, the host notices the gap in the numbers.
func (g *guest) send(f wire.Frame) {
	if g.frames == nil { // there was no plan to take a nonce from yet
		g.frames = wire.NewWriter(g.port, "")
	}
	if name := g.suite.Load(); name != nil {
		f.Suite = *name
	}
	if err := g.frames.Write(f); err != nil {
		g.log("modmatrix: " + err.Error())
	}
}

func (g *guest) fail(format string, args ...any) {
	g.send(wire.Frame{Kind: wire.KindTrouble, Text: fmt.Sprintf(format, args...)})
}

func (g *guest) clock() int64 { return sinceBoot() - g.epoch }

// sinceBoot is the time since boot in milliseconds.
func sinceBoot() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0
	}
	return t.Nano() / int64(time.Millisecond)
}
