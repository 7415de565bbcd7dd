package guest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/results/wire/calm"
)

// Where Ginkgo writes its reports: of the dry run, and of the run.
func (p places) dryReport() string { return filepath.Join(p.run, "dry-run.json") }
func (p places) runReport() string { return filepath.Join(p.run, "report.json") }

func (g *guest) listSpecs(s wire.Suite) (report, error) {
	dryReport := g.places.dryReport()
	_ = os.Remove(dryReport) // another suite's
	var printed strings.Builder
	out := &output{send: func(text string) { printed.WriteString(text) }}
	exit, err := g.runProcess(s, append(suiteFlags(g.plan.Target, s, dryReport), "--ginkgo.dry-run"), out, nil)
	if err != nil {
		return report{}, err
	}
	r, err := readReport(dryReport)
	if err != nil {
		return report{}, fmt.Errorf("%w; the process ended with %s and printed:\n%s", err, exit, printed.String())
	}
	return r, nil
}

func (g *guest) runSuite(s wire.Suite) {
	runReport := g.places.runReport()
	_ = os.Remove(runReport) // another suite's
	sent := streamed{}
	exit, err := g.runProcess(s, append(suiteFlags(g.plan.Target, s, runReport), focus(s)...), g.output, g.relay(sent, s.Only))
	if err != nil {
		g.fail("run suite %s: %v", s.Name, err)
		return
	}
	end := wire.Frame{Kind: wire.KindSuiteEnd, ExitCode: exit.code, Signal: exit.signal, Text: exit.note}
	r, err := readReport(runReport)
	notes := r.SpecialSuiteFailureReasons
	if err != nil {
		notes = []string{err.Error()}
	}
	for _, f := range sent.missed(r) {
		if selected(f, s.Only) {
			g.send(f)
		}
	}
	end.Text = strings.TrimSpace(end.Text + "\n" + strings.Join(notes, "\n"))
	g.send(end)
}

// relay passes a suite process's frames on, marks specs in the kernel log, and returns why a request was refused.
func (g *guest) relay(sent streamed, only []string) func(wire.Frame) string {
	number, running := 0, (*wire.Spec)(nil)
	return func(f wire.Frame) string {
		out := wire.Frame{Kind: f.Kind, Spec: f.Spec}
		switch {
		case f.Kind == wire.KindPlug || f.Kind == wire.KindUnplug:
			g.reportHardware() // while what is to be pulled is there
			return g.plug(f)
		case f.Kind == wire.KindExpect && running != nil:
			out.Spec, out.Text, out.Count = running, f.Text, max(f.Count, 1)
		case f.Spec == nil:
			return ""
		case f.Kind == wire.KindSpecStart && selected(f, only):
			number++
			running = f.Spec
			g.output.flush()
			g.announce(f.Spec.Name)
			g.mark(wire.Mark{Spec: number, Name: f.Spec.Name})
		case f.Kind == wire.KindSpecEnd && selected(f, only):
			running = nil
			g.reportHardware()
			g.mark(wire.Mark{Spec: max(number, 1), Name: f.Spec.Name, Done: true})
			sent.add(*f.Spec)
		case f.Kind == wire.KindSuiteError:
			sent.add(*f.Spec)
		default:
			return ""
		}
		g.send(out)
		return ""
	}
}

// selected reports whether f is passed on: of specs outside of only, just that one ran nevertheless.
func selected(f wire.Frame, only []string) bool {
	if len(only) == 0 || f.Kind == wire.KindSuiteError || slices.Contains(only, f.Spec.Cleaned().Name) {
		return true
	}
	return f.Kind == wire.KindSpecEnd && f.Spec.State != "skipped" && f.Spec.State != "pending"
}

type exit struct {
	code   int
	signal string
	note   string // for the user, besides
}

func (e exit) String() string {
	return strings.TrimSpace(fmt.Sprintf("exit code %d %s %s", e.code, e.signal, e.note))
}

// runProcess runs the suite's program to its end, or to the end of its time. Then every process that it left behind is
// killed. Frames come to relay one after the other; nil means the process is not to send any.
func (g *guest) runProcess(s wire.Suite, flags []string, out *output, relay func(wire.Frame) string) (exit, error) {
	var p plumbing
	defer p.close()
	p.open("/dev/null")
	printed := p.pipeOut(2)
	env := []string{"PATH=" + g.places.path, "HOME=" + g.places.home, "TMPDIR=" + g.places.tmp, "TERM=dumb", "GOTRACEBACK=all"}
	if g.here == nil {
		env = append(env, calm.Env+"=1")
	} else {
		env = append(env, wire.EnvPlan+"="+g.places.plan)
	}
	var frames, acks *os.File
	if relay != nil {
		frames, acks = p.pipeOut(1), p.pipeIn()
		env = append(env, wire.EnvReportFD+"=3", wire.EnvAckFD+"=4")
	}
	if p.err != nil {
		return exit{}, p.err
	}
	child, err := g.reaper.start(s.Path, append([]string{s.Path}, flags...), &syscall.ProcAttr{
		Dir: g.places.tmp, Env: env, Files: p.fds(), Sys: &syscall.SysProcAttr{Setpgid: true}})
	p.closeChild()
	if err != nil {
		return exit{}, err
	}
	flows := make(chan struct{}, 2)
	go g.guard(func() { _, _ = io.Copy(out, printed); flows <- struct{}{} })
	go g.guard(func() { pump(frames, acks, relay); flows <- struct{}{} })
	end := child.await(timeout(s), func() { g.stuckSuite(child.pid) })
	g.reaper.killAll()
	for range 2 {
		select { // both end with the last writer, unless that cannot be killed
		case <-flows:
		case <-time.After(time.Second):
		}
	}
	out.end()
	return end, nil
}

// pump acknowledges each frame when it has been relayed, so that the process does not run ahead of its reports.
func pump(frames io.Reader, acks io.Writer, relay func(wire.Frame) string) {
	if relay == nil {
		return
	}
	for r := wire.NewReader(frames); ; {
		f, err := r.Next()
		if err != nil {
			return
		}
		_, _ = acks.Write(wire.Ack(relay(f)))
	}
}

// escalation is what is done about a process that exceeds its timeout, and when. Ginkgo has interrupted its specs itself by
// then; it prints where they hang on the first signal, and writes its report on the second.
var escalation = []struct {
	after  time.Duration
	signal syscall.Signal
	group  bool
}{
	{3 * time.Second, syscall.SIGUSR1, false},
	{4 * time.Second, syscall.SIGTERM, false},
	{10 * time.Second, syscall.SIGKILL, true},
	{12 * time.Second, 0, false}, // it hangs in the kernel
}

// await waits for p to end, and ends it after limit. Before p is killed, stuck may look where it hangs.
func (p *process) await(limit time.Duration, stuck func()) exit {
	start, note := time.Now(), ""
	for _, step := range escalation {
		if p.endsWithin(limit + step.after - time.Since(start)) {
			return exit{p.status.ExitStatus(), unix.SignalName(p.status.Signal()), note}
		}
		switch {
		case step.signal == 0:
			return exit{-1, "SIGKILL", fmt.Sprintf("the process does not die after its timeout of %v: %s", limit, stuckProcess("/proc", p.pid))}
		case step.group:
			stuck()
			_ = syscall.Kill(-p.pid, step.signal)
		default:
			_ = syscall.Kill(p.pid, step.signal)
		}
		note = fmt.Sprintf("timeout of %v passed", limit)
	}
	return exit{} // unreachable: the last step returns
}

// plumbing is the files of a child, by descriptor, and PID 1's ends of its pipes. After err, only close may be used.
type plumbing struct {
	child, ours []*os.File
	err         error
}

func (p *plumbing) open(path string) {
	f, err := os.Open(path)
	p.child = append(p.child, f)
	if p.err == nil {
		p.err = err
	}
}

// pipeOut adds a pipe that the child writes to, by n descriptors, and returns the end to read from.
func (p *plumbing) pipeOut(n int) *os.File {
	r, w := p.pipe()
	for range n {
		p.child = append(p.child, w)
	}
	p.ours = append(p.ours, r)
	return r
}

// pipeIn adds a pipe that the child reads from, and returns the end to write to.
func (p *plumbing) pipeIn() *os.File {
	r, w := p.pipe()
	p.child, p.ours = append(p.child, r), append(p.ours, w)
	return w
}

func (p *plumbing) pipe() (r, w *os.File) {
	if p.err == nil {
		r, w, p.err = os.Pipe()
	}
	return r, w
}

func (p *plumbing) fds() (fds []uintptr) {
	for _, f := range p.child {
		fds = append(fds, f.Fd())
	}
	return fds
}

// closeChild closes the child's files here, so that its pipes end with it.
func (p *plumbing) closeChild() {
	for _, f := range p.child {
		f.Close() // where it is there twice, the second time does nothing
	}
	p.child = nil
}

func (p *plumbing) close() {
	p.closeChild()
	for _, f := range p.ours {
		f.Close()
	}
}
