package suites

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
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
	if path := os.Getenv(wire.EnvReportFD); strings.HasPrefix(path, "/") {
		return openNamed(path, os.Getenv(wire.EnvAckFD))
	}
	frames, err1 := openFD(wire.EnvReportFD)
	acks, err2 := openFD(wire.EnvAckFD)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return wire.NewPipeWriter(frames, acks), nil
}

// openNamed opens the pipes of a process that somebody started in a shell. Child processes do not learn of them.
func openNamed(frames, acks string) (*wire.PipeWriter, error) {
	if err := errors.Join(os.Unsetenv(wire.EnvReportFD), os.Unsetenv(wire.EnvAckFD)); err != nil {
		return nil, err
	}
	return wire.OpenPipe(frames, acks)
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

// filteredOut says why Ginkgo's filters exclude spec, by applying them again (internal/focus.go, ApplyFocusToSpecs); "": none.
func filteredOut(suite types.Report, spec types.SpecReport) string {
	for _, filter := range []func(types.Report, types.SpecReport) string{wrongLabels, wrongVersion, wrongName, wrongFile} {
		if why := filter(suite, spec); why != "" {
			return why
		}
	}
	// No report says which specs are focused, so this remains. Such a suite never passes: Ginkgo exits with 197.
	if suite.SuiteHasProgrammaticFocus {
		return "not in focus: the suite holds specs marked with FIt, FDescribe or Focus, and no others run"
	}
	return ""
}

func wrongLabels(suite types.Report, spec types.SpecReport) string {
	query := suite.SuiteConfig.LabelFilter
	filter, err := types.ParseLabelFilter(query)
	labels := slices.Concat(suite.SuiteLabels, spec.Labels())
	if query == "" || err != nil || filter(labels) {
		return ""
	}
	if len(labels) == 0 {
		return "not for this target: it has no label, and the filter asks for " + query
	}
	return fmt.Sprintf("not for this target: its labels are %s, and the filter asks for %s", strings.Join(labels, ", "), query)
}

func wrongVersion(suite types.Report, spec types.SpecReport) string {
	version := suite.SuiteConfig.SemVerFilter
	filter, err := types.ParseSemVerFilter(version)
	if version == "" || err != nil {
		return ""
	}
	kernel, _, _ := strings.Cut(version, ",") // PID 1 sets "6.1.176, kernel=6.1.176"
	constraints := slices.Concat(suite.SuiteSemVerConstraints, spec.SemVerConstraints())
	if len(constraints) > 0 && !filter("", constraints) {
		return fmt.Sprintf("not for this kernel: for %s, and this is %s", strings.Join(constraints, ", "), kernel)
	}
	for _, components := range []map[string][]string{suite.SuiteComponentSemVerConstraints, spec.ComponentSemVerConstraints()} {
		for _, name := range slices.Sorted(maps.Keys(components)) {
			if !filter(name, components[name]) {
				return fmt.Sprintf("not for this %s: for %s, and this is %s", name, strings.Join(components[name], ", "), kernel)
			}
		}
	}
	return ""
}

func wrongName(suite types.Report, spec types.SpecReport) string {
	name := suite.SuiteDescription + " " + spec.FullText()
	focus, skip := strings.Join(suite.SuiteConfig.FocusStrings, "|"), strings.Join(suite.SuiteConfig.SkipStrings, "|")
	if re, err := regexp.Compile(focus); focus != "" && err == nil && !re.MatchString(name) {
		return "not chosen: its name does not match the focus " + focus
	}
	if re, err := regexp.Compile(skip); skip != "" && err == nil && re.MatchString(name) {
		return "not chosen: its name matches the skip " + skip
	}
	return ""
}

func wrongFile(suite types.Report, spec types.SpecReport) string {
	locations := append(slices.Clone(spec.ContainerHierarchyLocations), spec.LeafNodeLocation)
	focus, skip := suite.SuiteConfig.FocusFiles, suite.SuiteConfig.SkipFiles
	if filter, err := types.ParseFileFilters(focus); len(focus) > 0 && err == nil && !filter.Matches(locations) {
		return "not chosen: its file does not match the focus " + strings.Join(focus, ", ")
	}
	if filter, err := types.ParseFileFilters(skip); len(skip) > 0 && err == nil && filter.Matches(locations) {
		return "not chosen: its file matches the skip " + strings.Join(skip, ", ")
	}
	return ""
}
