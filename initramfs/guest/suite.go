package guest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/results/wire/calm"
)

// Where Ginkgo writes its reports: of the dry run, and of the run.
const (
	dryReport = "/run/dry-run.json"
	runReport = "/run/report.json"
)

// listSpecs asks the suite which specs it has.
func (g *guest) listSpecs(s wire.Suite) (report, error) {
	_ = os.Remove(dryReport) // another suite's
	var said bytes.Buffer
	exit, err := g.runProcess(s, append(suiteFlags(g.plan.Target, s, dryReport), "--ginkgo.dry-run"), newOutput(func(text string) { said.WriteString(text) }), nil)
	if err != nil {
		return report{}, err
	}
	r, err := readReport(dryReport)
	if err != nil {
		return report{}, fmt.Errorf("%w; the process ended with %s and said:\n%s", err, exit, said.String())
	}
	return r, nil
}

// runSuite runs the suite and tells everything that happens in it.
func (g *guest) runSuite(s wire.Suite) {
	_ = os.Remove(runReport) // another suite's
	told := seen{}
	exit, err := g.runProcess(s, append(suiteFlags(g.plan.Target, s, runReport), focus(s)...), g.output, g.relay(told, s.Only))
	if err != nil {
		g.fail("run suite %s: %v", s.Name, err)
		return
	}
	end := wire.Frame{Kind: wire.KindSuiteEnd, ExitCode: exit.code, Signal: exit.signal, Text: exit.note}
	r, err := readReport(runReport)
	if err == nil {
		for _, f := range told.missed(r) {
			if wanted(f, s.Only) {
				g.send(f)
			}
		}
		end.Text = strings.TrimSpace(end.Text + "\n" + strings.Join(r.SpecialSuiteFailureReasons, "\n"))
	} else {
		end.Text = strings.TrimSpace(end.Text + "\n" + err.Error())
	}
	g.send(end)
}

// relay passes on the frames that a suite process may send, and marks where specs begin and end in the kernel log. It
// gives the reason where what a frame asks for is not done.
func (g *guest) relay(told seen, only []string) func(wire.Frame) string {
	number, running := 0, (*wire.Spec)(nil)
	return func(f wire.Frame) string {
		out := wire.Frame{Kind: f.Kind, Spec: f.Spec}
		switch {
		case f.Kind == wire.KindPlug || f.Kind == wire.KindUnplug:
			return g.plug(f)
		case f.Kind == wire.KindExpect && running != nil:
			out.Spec, out.Text, out.Count = running, f.Text, max(f.Count, 1)
		case f.Spec == nil:
			return ""
		case f.Kind == wire.KindSpecStart && wanted(f, only):
			number++
			running = f.Spec
			g.output.flush()
			g.mark(wire.Mark{Spec: number, Name: f.Spec.Name})
		case f.Kind == wire.KindSpecEnd && wanted(f, only):
			running = nil
			g.mark(wire.Mark{Spec: max(number, 1), Name: f.Spec.Name, Done: true})
			told.add(*f.Spec)
		case f.Kind == wire.KindSuiteError:
			told.add(*f.Spec)
		default:
			return ""
		}
		g.send(out)
		return ""
	}
}

// wanted says whether f is of interest where only some specs are: that others did not run is not, and what they did
// all the same is.
func wanted(f wire.Frame, only []string) bool {
	if len(only) == 0 || f.Kind == wire.KindSuiteError || slices.Contains(only, f.Spec.Cleaned().Name) {
		return true
	}
	return f.Kind == wire.KindSpecEnd && f.Spec.State != "skipped" && f.Spec.State != "pending"
}

// exit is how a process ended.
type exit struct {
	code   int
	signal string
	note   string // what a person should know besides
}

func (e exit) String() string {
	return strings.TrimSpace(fmt.Sprintf("exit code %d %s %s", e.code, e.signal, e.note))
}

// runProcess runs the suite's program to its end, or to the end of its time. Then every process that it left behind is
// killed. Frames come to relay one after the other; nil means the process is not to send any.
func (g *guest) runProcess(s wire.Suite, flags []string, out *output, relay func(wire.Frame) string) (exit, error) {
	var p plumbing
	defer p.close()
	p.add(unix.O_RDONLY, "/dev/null")
	printed := p.pipeOut(2)
	env := []string{"PATH=/bbin:/bin", "HOME=/root", "TMPDIR=/tmp", "TERM=dumb", "GOTRACEBACK=all", calm.Env + "=1"}
	var frames, acks *os.File
	if relay != nil {
		frames, acks = p.pipeOut(1), p.pipeIn()
		env = append(env, wire.EnvReportFD+"=3", wire.EnvAckFD+"=4")
	}
	if p.err != nil {
		return exit{}, p.err
	}
	child, err := g.family.start(s.Path, append([]string{s.Path}, flags...), &syscall.ProcAttr{
		Dir: "/tmp", Env: env, Files: p.fds(), Sys: &syscall.SysProcAttr{Setpgid: true}})
	p.closeChild()
	if err != nil {
		return exit{}, err
	}
	flows := make(chan struct{}, 2)
	go g.guard(func() { _, _ = io.Copy(out, printed); flows <- struct{}{} })
	go g.guard(func() { pump(frames, acks, relay); flows <- struct{}{} })
	end := child.await(timeout(s), func() { g.stuck(stuckProcess("/proc", child.pid)) })
	g.family.killAll()
	for range 2 {
		select { // both end with the last writer; one that cannot die may keep them open
		case <-flows:
		case <-time.After(time.Second):
		}
	}
	out.end()
	return end, nil
}

// pump answers each frame when it has been passed on, so that the process does not run ahead of what is known of it.
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

// ladder is what a process that is over its time gets, and when: Ginkgo has ended its specs itself by then, tells where
// they hang on the first signal, and writes its reports on the second.
var ladder = []struct {
	after  time.Duration
	signal syscall.Signal
	group  bool
}{
	{3 * time.Second, syscall.SIGUSR1, false},
	{4 * time.Second, syscall.SIGTERM, false},
	{10 * time.Second, syscall.SIGKILL, true},
	{12 * time.Second, 0, false}, // it cannot die
}

// await waits for p to end, and makes it. Before p is killed, stuck may look where it is.
func (p *process) await(limit time.Duration, stuck func()) exit {
	start, note := time.Now(), ""
	for _, step := range ladder {
		if p.within(limit + step.after - time.Since(start)) {
			return exit{p.status.ExitStatus(), signalName(p.status), note}
		}
		switch {
		case step.signal == 0:
			return exit{-1, "SIGKILL", fmt.Sprintf("the process does not die after its timeout of %v; it sleeps in %s", limit, p.sleepsIn())}
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

// sleepsIn names the kernel function that p sleeps in, as far as the kernel tells.
func (p *process) sleepsIn() string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", p.pid))
	if err != nil || len(text) == 0 {
		return "an unknown place"
	}
	return string(text)
}

func signalName(s syscall.WaitStatus) string {
	if !s.Signaled() {
		return ""
	}
	return unix.SignalName(s.Signal())
}
