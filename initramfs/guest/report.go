package guest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// maxReport bounds Ginkgo's report in memory; a thousand specs take about 3 MB.
const maxReport = 32 << 20

// report is what is used of Ginkgo's JSON report (types.Report).
type report struct {
	SuiteDescription           string
	SpecialSuiteFailureReasons []string
	SpecReports                []specReport
}

// specReport is what is used of types.SpecReport.
type specReport struct {
	ContainerHierarchyTexts    []string
	IsInOrderedContainer       bool
	LeafNodeType               string
	LeafNodeText               string
	State                      string
	RunTime                    time.Duration
	NumAttempts                int
	CapturedGinkgoWriterOutput string
	Failure                    struct {
		Message        string
		ForwardedPanic string
		Location       struct {
			FileName   string
			LineNumber int
		}
	}
}

// readReport reads the report of one suite.
func readReport(path string) (report, error) {
	f, err := os.Open(path)
	if err != nil {
		return report{}, fmt.Errorf("read the suite's report: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxReport+1))
	if err != nil {
		return report{}, fmt.Errorf("read the suite's report: %w", err)
	}
	return parseReport(text)
}

func parseReport(text []byte) (report, error) {
	if len(text) > maxReport {
		return report{}, fmt.Errorf("read the suite's report: more than %d MiB", maxReport>>20)
	}
	var reports []report
	if err := json.Unmarshal(text, &reports); err != nil {
		return report{}, fmt.Errorf("read the suite's report: %w", err)
	}
	if len(reports) != 1 {
		return report{}, fmt.Errorf("read the suite's report: it holds %d suites", len(reports))
	}
	return reports[0], nil
}

// isSpec tells specs from the nodes around them.
func (r specReport) isSpec() bool { return r.LeafNodeType == "It" }

// failed are the states that Ginkgo counts as failures (types.SpecStateFailureStates).
func (r specReport) failed() bool {
	switch r.State {
	case "failed", "panicked", "timedout", "interrupted", "aborted":
		return true
	}
	return false
}

// spec is r in the words of the wire.
func (r specReport) spec() wire.Spec {
	s := wire.Spec{Name: r.fullText(), State: r.State, DurationMS: r.RunTime.Milliseconds(), Attempts: r.NumAttempts,
		Message: r.Failure.Message, Output: r.CapturedGinkgoWriterOutput}
	if !r.isSpec() {
		s.Node = r.LeafNodeType
		s.Name = strings.TrimSpace(r.LeafNodeType + " " + s.Name)
	}
	if p := r.Failure.ForwardedPanic; p != "" {
		s.Message = strings.TrimSpace(s.Message + "\n" + p)
	}
	if l := r.Failure.Location; l.FileName != "" {
		s.Location = fmt.Sprintf("%s:%d", l.FileName, l.LineNumber)
	}
	return s
}

// fullText is the spec's name as SpecReport.FullText makes it.
func (r specReport) fullText() string {
	texts := append([]string(nil), r.ContainerHierarchyTexts...)
	if r.LeafNodeText != "" {
		texts = append(texts, r.LeafNodeText)
	}
	return strings.Join(texts, " ")
}

// planOf lists the specs that a dry run found, in their order. Those to run have no state yet; the dry run leaves out,
// as skipped, what a filter leaves out.
func planOf(r report) []wire.Spec {
	var specs []wire.Spec
	loose := looseContainers(r)
	for _, s := range r.SpecReports {
		if !s.isSpec() {
			continue
		}
		spec := wire.Spec{Name: s.fullText(), Group: s.group(loose)}
		if s.State == "skipped" || s.State == "pending" {
			spec.State = s.State
		}
		specs = append(specs, spec)
	}
	return specs
}

// looseContainers are the full texts of the containers that hold a spec in no Ordered container, so are not Ordered.
func looseContainers(r report) map[string]bool {
	loose := map[string]bool{}
	for _, s := range r.SpecReports {
		for i := range s.ContainerHierarchyTexts {
			if s.isSpec() && !s.IsInOrderedContainer {
				loose[strings.Join(s.ContainerHierarchyTexts[:i+1], " ")] = true
			}
		}
	}
	return loose
}

// group is the full text of the outermost container that can be the Ordered one that r lies in. Ginkgo tells only that
// there is one: a container that holds nothing but Ordered ones is taken for Ordered itself, which keeps specs together
// that could be parted, and never parts those that cannot.
func (r specReport) group(loose map[string]bool) string {
	if !r.IsInOrderedContainer {
		return ""
	}
	for i := range r.ContainerHierarchyTexts {
		if text := strings.Join(r.ContainerHierarchyTexts[:i+1], " "); !loose[text] {
			return text
		}
	}
	return strings.Join(r.ContainerHierarchyTexts, " ") // two containers of one text, of which one is Ordered
}

// planFrames puts specs into as many frames as the line needs; even none is said.
func planFrames(specs []wire.Spec) (frames []wire.Frame) {
	const most, room = 1000, 100 << 10 // far below the bounds of a frame, however JSON writes the names
	start, size := 0, 0
	for i, s := range specs {
		if i-start == most || size+len(s.Name)+len(s.Group) > room && i > start {
			frames = append(frames, wire.Frame{Kind: wire.KindPlan, Specs: specs[start:i]})
			start, size = i, 0
		}
		size += len(s.Name) + len(s.Group)
	}
	return append(frames, wire.Frame{Kind: wire.KindPlan, Specs: specs[start:]})
}

// seen counts what a suite process has told of as it happened, so that nothing is told again from the report.
type seen map[wire.Spec]int

func key(s wire.Spec) wire.Spec {
	return wire.Spec{Name: s.Name, Node: s.Node}.Cleaned()
}

func (m seen) add(s wire.Spec) { m[key(s)]++ }

// take says whether s was told of, and crosses it off.
func (m seen) take(s wire.Spec) bool {
	k := key(s)
	if m[k] == 0 {
		return false
	}
	m[k]--
	return true
}

// missed gives the frames for what the report knows and the process did not tell.
func (m seen) missed(r report) (frames []wire.Frame) {
	for _, s := range r.SpecReports {
		kind := wire.KindSpecEnd
		if !s.isSpec() {
			kind = wire.KindSuiteError
			if !s.failed() {
				continue
			}
		}
		if spec := s.spec(); !m.take(spec) {
			frames = append(frames, wire.Frame{Kind: kind, Spec: &spec})
		}
	}
	return frames
}
