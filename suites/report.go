package suites

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/modmatrix/modmatrix/results/wire"
)

// Importing this package declares the report nodes: while packages are initialised, Ginkgo adds nodes to the top of the suite.
func init() {
	pipe, err := openPipe()
	if err != nil {
		fmt.Fprintf(os.Stderr, "suites: report to PID 1: %v\n", err)
	}
	if pipe == nil {
		return
	}
	host = pipe
	r := &reporter{pipe: pipe}
	ginkgo.ReportBeforeSuite(r.beforeSuite)
	ginkgo.ReportBeforeEach(r.beforeEach)
	ginkgo.ReportAfterEach(r.afterEach)
	ginkgo.ReportAfterSuite("report to PID 1", r.afterSuite)
}

// host is the pipe to PID 1; nil outside of a guest, and in a dry run.
var host frameWriter

// openPipe returns the pipes to PID 1, nil when there are none: then nothing is reported.
func openPipe() (*wire.PipeWriter, error) {
	if !inGuest {
		return nil, nil
	}
	frames, err1 := openFD(wire.EnvReportFD)
	acks, err2 := openFD(wire.EnvAckFD)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return wire.NewPipeWriter(frames, acks), nil
}

// openFD returns the file whose descriptor the environment names. Child processes inherit neither.
func openFD(env string) (io.ReadWriter, error) {
	fd, err := strconv.Atoi(os.Getenv(env))
	if err != nil || fd <= 2 {
		return nil, fmt.Errorf("%s=%q is not a file descriptor", env, os.Getenv(env))
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), env), os.Unsetenv(env)
}

// frameWriter is a *wire.PipeWriter: Write returns when the frame has left the guest.
type frameWriter interface {
	Write(wire.Frame) error
}

// reporter streams what Ginkgo does, as it does it. Errors of the pipe are ignored: PID 1 has abandoned this process.
type reporter struct {
	pipe    frameWriter
	suite   types.Report      // as it was before the first spec: filters, labels
	streams []types.SpecState // the end that was sent of each spec, in their order; withheld for none
}

// withheld is for a spec that was skipped for a reason not yet known.
const withheld = types.SpecStateInvalid

func (r *reporter) beforeSuite(suite types.Report) { r.suite = suite }

// beforeEach sends the start of a spec; PID 1 has passed it on before its first line runs, which may crash the kernel.
func (r *reporter) beforeEach(spec types.SpecReport) {
	if spec.State.Is(types.SpecStateSkipped | types.SpecStatePending) {
		return
	}
	r.send(wire.KindSpecStart, wire.Spec{Name: spec.FullText()})
}

// afterEach sends the end of a spec, except for one that was skipped for an unknown reason: the suite was interrupted or
// aborted, or was skipped as a whole. Ginkgo reports that only at the end; see afterSuite.
func (r *reporter) afterEach(spec types.SpecReport) {
	end := specFrame(spec)
	if spec.State == types.SpecStateSkipped && end.Message == "" {
		if end.Message = filteredOut(r.suite, spec); end.Message == "" {
			r.streams = append(r.streams, withheld)
			return
		}
	}
	r.streams = append(r.streams, spec.State)
	r.send(wire.KindSpecEnd, end)
}

// send sends nothing of a dry run, in which every spec passes.
func (r *reporter) send(kind wire.Kind, spec wire.Spec) {
	if !r.suite.SuiteConfig.DryRun {
		_ = r.pipe.Write(wire.Frame{Kind: kind, Spec: &spec})
	}
}

// afterSuite sends what is known only at the end: failures outside of specs, why specs were skipped. What never ran is missing.
func (r *reporter) afterSuite(suite types.Report) {
	spec, skipped := 0, ""
	for _, report := range suite.SpecReports {
		if report.LeafNodeType != types.NodeTypeIt {
			if report.State == types.SpecStateSkipped {
				skipped = report.LeafNodeType.String() + ": " + report.Failure.Message
			}
			r.suiteError(report)
			continue
		}
		if spec < len(r.streams) {
			r.amend(report, r.streams[spec], skipped)
		}
		spec++
	}
	if suite.SuiteSucceeded {
		return
	}
	for _, reason := range suite.SpecialSuiteFailureReasons {
		r.send(wire.KindSuiteError, wire.Spec{Name: "Suite", Node: "Suite", State: types.SpecStateFailed.String(), Message: reason})
	}
}

// amend corrects the end of a spec that was sent as state before it was final.
func (r *reporter) amend(report types.SpecReport, state types.SpecState, skipped string) {
	switch {
	case state == withheld && report.State == types.SpecStateSkipped && skipped != "":
		end := specFrame(report)
		end.Message = skipped
		r.send(wire.KindSpecEnd, end)
	case report.Failed() && !state.Is(types.SpecStateFailureStates): // a report node of the suite's own failed
		r.suiteError(report)
	}
}

func (r *reporter) suiteError(report types.SpecReport) {
	if !report.Failed() {
		return
	}
	failed := specFrame(report)
	failed.Node = report.LeafNodeType.String()
	if report.Failure.FailureNodeType != types.NodeTypeInvalid {
		failed.Node = report.Failure.FailureNodeType.String()
	}
	failed.Name = strings.TrimSpace(failed.Node + " " + report.FullText())
	r.send(wire.KindSuiteError, failed)
}

func specFrame(report types.SpecReport) wire.Spec {
	s := wire.Spec{
		Name:       report.FullText(),
		State:      report.State.String(),
		DurationMS: report.RunTime.Milliseconds(),
		Attempts:   report.NumAttempts,
		Message:    failureText(report.Failure),
		Output:     report.CapturedGinkgoWriterOutput,
	}
	if report.Failure.Location.FileName != "" {
		s.Location = report.Failure.Location.String()
	}
	for _, more := range report.AdditionalFailures {
		s.Message += fmt.Sprintf("\nand then %s: %s", more.State, failureText(more.Failure))
	}
	return s
}

// failureText is the message of a failure, with its panic and the line where a spec hung.
func failureText(f types.Failure) string {
	text := f.Message
	if f.ForwardedPanic != "" {
		text += "\n" + f.ForwardedPanic
	}
	for _, call := range f.ProgressReport.SpecGoroutine().Stack {
		if call.Highlight { // a call in the suite's own files
			return fmt.Sprintf("%s\nwhile at %s:%d", text, call.Filename, call.Line)
		}
	}
	return text
}
