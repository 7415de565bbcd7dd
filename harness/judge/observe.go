package judge

import (
	"bytes"
	"slices"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm/console"
)

// Observation is what the host saw of one machine.
type Observation struct {
	Rounds  *Rounds
	Round   int // which of them is judged
	End     Ending
	Log     []byte   // the console
	Before  int      // how much of Log is from before the guest got its payload, in bytes
	Cut     bool     // Log is not all that was printed
	Modules []string // names of the modules under test, as the kernel has them
}

// Observe adds what o shows of its round to e.
func (e *Evidence) Observe(o Observation) {
	e.Guest, e.End = o.Rounds.guests[o.Round], o.End
	if o.Rounds.Through(o.Round) { // what became of the machine later is not this round's doing
		e.Guest.End, e.End = true, Ending{Reason: CleanEnd}
	}
	line := readMarkers(o.Log, e.Guest, o.Rounds.suites[o.Round])
	line.trust(o.Before, e.Guest)
	log := o.Log
	if o.End.Late != "" {
		log = beforeAsked(o.Log, e.Guest.Nonce)
		e.Hung = append(e.Guest.stood(), console.Places(o.Log[len(log):])...)
	}
	for _, s := range console.Scan(log) {
		if at := line.at(s.Start); at.ours && !askedByInit(s, e.Guest, at.stage) {
			e.Splats = append(e.Splats, Splat{Splat: s, Stage: at.stage, Spec: at.spec, Owner: OwnerOf(s, o.Modules)})
		}
	}
	e.Unmet = matchExpected(e.Splats, e.Guest.Expected)
	e.Words = loadWords(line.during(o.Log, results.StageLoad), e.Guest, o.Modules)
	e.NoFirmware = missingFirmware(slices.Concat(line.during(o.Log, results.StageLoad), line.during(o.Log, results.StageTest)))
	for _, p := range failedProbes(o.Log) {
		if at := line.at(p.start); at.ours && at.stage != results.StageBoot && !slices.Contains(e.Notes, p.text) {
			e.Notes = append(e.Notes, p.text)
		}
	}
	e.Tail = Tail(log)
	e.Incomplete = o.Cut || !console.Lost(o.Log).Complete()
}

// stood returns where in modules the threads were that stood still in the stage that the guest is in, the last one first.
func (g *Guest) stood() (frames []console.Frame) {
	for _, s := range slices.Backward(g.Stuck) {
		inModule := func(f console.Frame) bool { return f.Module != "" }
		stack := console.Stack(s.Stack)
		if i := slices.IndexFunc(stack, inModule); i >= 0 && s.Stage == StageOf(g) {
			frames = append(frames, stack[i])
		}
	}
	return frames
}

// askedByInit reports whether s is one of the stacks that PID 1 had its kernel show when it had waited too long. Each says
// whose it is in a line before it, but not right before it where others print as well.
func askedByInit(s console.Splat, g *Guest, during results.Stage) bool {
	return s.Kind == console.KindTrace && slices.ContainsFunc(g.Stuck, func(st Stuck) bool { return st.Stage == during })
}

// AskedMark is the line in a guest's log from which on what the kernel prints is the host's doing, who asked it where it hangs.
func AskedMark(nonce string) string {
	return "[modmatrix " + nonce + ": past its deadline, and asked where it is]"
}

func beforeAsked(log []byte, nonce string) []byte {
	if i := bytes.LastIndex(log, []byte(AskedMark(nonce))); i >= 0 {
		return log[:i]
	}
	return log
}
