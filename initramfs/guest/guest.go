package guest

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/results/wire/calm"
)

// pulse is the time between heartbeats.
const pulse = time.Second

// Main is all that PID 1 does. It returns only where it is not PID 1.
func Main() {
	if isModprobe(os.Args) {
		os.Exit(modprobe(askDir, os.Args))
	}
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "modmatrix-init: I am the first process of a guest, and of no use elsewhere")
		return
	}
	debug.SetGCPercent(-1)         // an emulated processor has better things to do
	debug.SetMemoryLimit(32 << 20) // the guest's memory is for the module and its suite
	g := ready()
	g.guard(func() {
		if _, err := os.Stat(wire.PlanPath); os.IsNotExist(err) {
			g.await()
		}
		g.run()
	})
	powerOff()
}

// guest is the machine as PID 1 holds it.
type guest struct {
	port   *port        // to the host
	frames *wire.Writer // on port
	kmsg   int          // /dev/kmsg, for markers
	family *family      // the processes
	events *uevents     // what devices came and went
	plan   wire.Plan
	output *output   // of the suite, as far as it is on its way
	outlet outlet    // of devices
	asked  *requests // of the kernel for modules

	suite     atomic.Pointer[string] // the name of the round's suite; nil outside of rounds
	stageName string                 // the stage that began last
	loaded    int                    // of the plan's modules, in this round
	toldStuck bool                   // in this stage
	trouble   []string               // before there was a hello to say it after

	born        int64 // milliseconds after boot, when the payload came; zero where it was there already
	undelivered error // why the payload did not come whole
}

// ready makes everything that does not depend on the plan. A guest can be frozen behind it, and be given its plan when
// it is thawed.
func ready() *guest {
	g := &guest{kmsg: -1, family: newFamily(), events: openUevents()}
	g.trouble = append(g.trouble, mountAll()...)
	calm.Down("/proc")
	if fd, err := openKmsg(); err != nil {
		g.trouble = append(g.trouble, err.Error())
	} else {
		g.kmsg = fd
	}
	g.trouble = append(g.trouble, loadBase(wire.BaseDir)...)
	asked, err := openRequests(askDir)
	if err != nil {
		g.trouble = append(g.trouble, err.Error())
	}
	g.asked = asked
	p, err := openPort(portPath)
	if err != nil {
		g.log("modmatrix: " + err.Error()) // the only way left to say it
		powerOff()
	}
	g.port = p
	return g
}

// run does what the plan says and tells about it.
func (g *guest) run() {
	g.hello()
	go g.guard(g.beat)
	g.takeRequests()
	g.rounds()
	g.stage(wire.StageShutdown, func() {
		g.family.killAll()
		unixSync()
	})
	g.asked.end()
	g.send(wire.Frame{Kind: wire.KindEnd})
}

// takeRequests has the host told what the kernel asks for and does not have.
func (g *guest) takeRequests() {
	if g.asked == nil {
		return // which was told
	}
	if err := g.asked.answer(g.plan.Asked); err != nil {
		g.fail("%v", err)
	}
	go g.guard(func() { g.asked.serve(func(name string) { g.send(wire.Frame{Kind: wire.KindWanted, Text: name}) }) })
}

// hello reads the plan, takes over its time and greets the host.
func (g *guest) hello() {
	plan, err := readPlan(wire.PlanPath)
	if g.undelivered != nil {
		plan, err = wire.Plan{Nonce: plan.Nonce}, g.undelivered
	}
	g.plan = plan
	g.frames = wire.NewWriter(g.port, plan.Nonce)
	g.frames.Clock = g.clock
	g.output = newOutput(func(text string) { g.send(wire.Frame{Kind: wire.KindOutput, Text: text}) })
	if err == nil && plan.Time > 0 {
		now := unix.NsecToTimespec(plan.Time)
		err = unix.ClockSettime(unix.CLOCK_REALTIME, &now)
	}
	if err == nil && len(plan.Seed) > 0 {
		err = stir(plan.Seed)
	}
	if err != nil {
		g.trouble = append(g.trouble, err.Error())
	}
	g.send(wire.Frame{Kind: wire.KindHello, Release: g.release()})
	for _, text := range g.trouble {
		g.fail("%s", text)
	}
}

// release is uname -r.
func (g *guest) release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		g.trouble = append(g.trouble, fmt.Sprintf("read the kernel's release: %v", err))
	}
	return unix.ByteSliceToString(u.Release[:])
}

// stage runs f between the frames and markers of a stage.
func (g *guest) stage(name string, f func()) {
	g.stageName, g.toldStuck = name, false
	g.mark(wire.Mark{Stage: name})
	g.send(wire.Frame{Kind: wire.KindStage, Stage: name})
	f()
	g.mark(wire.Mark{Stage: name, Done: true})
	g.send(wire.Frame{Kind: wire.KindStage, Stage: name, Done: true})
}

// beat tells the host every second that PID 1 is alive, whatever the kernel keeps its other threads waiting for.
func (g *guest) beat() {
	for range time.Tick(pulse) {
		g.output.flush()
		g.events.drain()
		g.send(wire.Frame{Kind: wire.KindHeartbeat})
	}
}

// guard runs f and keeps PID 1 alive if it panics: the host is told, and the guest ends in order.
func (g *guest) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			g.fail("PID 1 panicked: %v\n%s", p, debug.Stack())
			powerOff()
		}
	}()
	f()
}

// send sends a frame. There is nobody to tell if it fails: the host misses the number.
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

// fail tells the host of a thing that PID 1 could not do.
func (g *guest) fail(format string, args ...any) {
	g.send(wire.Frame{Kind: wire.KindTrouble, Text: fmt.Sprintf(format, args...)})
}

// readPlan reads the plan. Without one there is nothing to do, and the zero plan says so.
func readPlan(path string) (wire.Plan, error) {
	var plan wire.Plan
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &plan)
	}
	if err != nil {
		return wire.Plan{Nonce: plan.Nonce}, fmt.Errorf("read plan: %w", err)
	}
	return plan, nil
}

// clock stamps frames.
func (g *guest) clock() int64 { return sinceBoot() - g.born }

// sinceBoot is the time since boot in milliseconds.
func sinceBoot() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0
	}
	return t.Nano() / int64(time.Millisecond)
}
