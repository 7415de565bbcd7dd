package guest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// maxReport bounds Ginkgo's report, in bytes; a thousand specs take about 3 MB.
const maxReport = 32 << 20

// report is the part of Ginkgo's JSON report (types.Report) that is used.
type report struct {
	SuiteDescription           string
	SpecialSuiteFailureReasons []string
	SpecReports                []specReport
}

// specReport is the part of types.SpecReport that is used.
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

func readReport(path string) (report, error) {
	f, err := os.Open(path)
	var r report
	if err == nil {
		defer f.Close()
		r, err = parseReport(f)
	}
	if err != nil {
		err = fmt.Errorf("read the suite's report: %w", err)
	}
	return r, err
}

func parseReport(in io.Reader) (report, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxReport+1))
	if err != nil {
		return report{}, err
	}
	if len(text) > maxReport {
		return report{}, fmt.Errorf("more than %d MiB", maxReport>>20)
	}
	var reports []report
	if err := json.Unmarshal(text, &reports); err != nil {
		return report{}, err
	}
	if len(reports) != 1 {
		return report{}, fmt.Errorf("it holds %d suites", len(reports))
	}
	return reports[0], nil
}

// isSpec is false for nodes such as BeforeSuite.
func (r specReport) isSpec() bool { return r.LeafNodeType == "It" }

// failed are the states that Ginkgo counts as failures (types.SpecStateFailureStates).
func (r specReport) failed() bool {
	return slices.Contains([]string{"failed", "panicked", "timedout", "interrupted", "aborted"}, r.State)
}

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

func (r specReport) fullText() string {
	texts := slices.Clone(r.ContainerHierarchyTexts)
	if r.LeafNodeText != "" {
		texts = append(texts, r.LeafNodeText)
	}
	return strings.Join(texts, " ")
}

// planOf lists the specs of a dry run: those to run have no state yet, those that a filter leaves out are skipped.
func planOf(r report) []wire.Spec {
	var specs []wire.Spec
	loose := unordered(r)
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

// unordered are the full texts of the containers that are surely not Ordered, for a spec in them is in no Ordered container.
func unordered(r report) map[string]bool {
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

// group is the full text of the outermost container of r that may be Ordered, as far as Ginkgo's report shows: specs may be kept
// together that could be separated, and never the other way round.
func (r specReport) group(loose map[string]bool) string {
	if !r.IsInOrderedContainer {
		return ""
	}
	for i := range r.ContainerHierarchyTexts {
		if text := strings.Join(r.ContainerHierarchyTexts[:i+1], " "); !loose[text] {
			return text
		}
	}
	return strings.Join(r.ContainerHierarchyTexts, " ") // of two containers with this text, one is Ordered
}

// planFrames returns specs in as many frames as the line needs: at least one.
func planFrames(specs []wire.Spec) (frames []wire.Frame) {
	const maxSpecs, maxBytes = 1000, 100 << 10 // far below the bounds of a frame, whatever JSON escapes
	start, size := 0, 0
	for i, s := range specs {
		if i-start == maxSpecs || size+len(s.Name)+len(s.Group) > maxBytes && i > start {
			frames = append(frames, wire.Frame{Kind: wire.KindPlan, Specs: specs[start:i]})
			start, size = i, 0
		}
		size += len(s.Name) + len(s.Group)
	}
	return append(frames, wire.Frame{Kind: wire.KindPlan, Specs: specs[start:]})
}

// streamed counts what a suite process has sent as it happened, so that it is not sent again from the report.
type streamed map[wire.Spec]int

func key(s wire.Spec) wire.Spec {
	return wire.Spec{Name: s.Name, Node: s.Node}.Cleaned()
}

func (m streamed) add(s wire.Spec) { m[key(s)]++ }

func (m streamed) remove(s wire.Spec) bool {
	k := key(s)
	if m[k] == 0 {
		return false
	}
	m[k]--
	return true
}

// missed returns frames for what is in the report and was not streamed.
func (m streamed) missed(r report) (frames []wire.Frame) {
	for _, s := range r.SpecReports {
		kind := wire.KindSpecEnd
		if !s.isSpec() {
			kind = wire.KindSuiteError
			if !s.failed() {
				continue
			}
		}
		if spec := s.spec(); !m.remove(spec) {
			frames = append(frames, wire.Frame{Kind: kind, Spec: &spec})
		}
	}
	return frames
}
