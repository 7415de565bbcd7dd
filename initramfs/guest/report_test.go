package guest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/ginkgo/v2/types"

	"github.com/modmatrix/modmatrix/results/wire"
)

// sample is a report in Ginkgo's own types, so that a change of theirs is noticed here.
func sample() []types.Report {
	at := types.CodeLocation{FileName: "x_test.go", LineNumber: 7}
	return []types.Report{{
		SpecialSuiteFailureReasons: []string{"Suite was interrupted"},
		SpecReports: types.SpecReports{
			{LeafNodeType: types.NodeTypeBeforeSuite, State: types.SpecStatePassed},
			{LeafNodeType: types.NodeTypeIt, ContainerHierarchyTexts: []string{"fifo", "when full"}, LeafNodeText: "blocks",
				State: types.SpecStatePassed, RunTime: 1500 * time.Millisecond, NumAttempts: 1, CapturedGinkgoWriterOutput: "said"},
			{LeafNodeType: types.NodeTypeIt, LeafNodeText: "panics", State: types.SpecStatePanicked,
				Failure: types.Failure{Message: "Test Panicked", ForwardedPanic: "nil map", Location: at}},
			{LeafNodeType: types.NodeTypeIt, LeafNodeText: "twice", State: types.SpecStateFailed, Failure: types.Failure{Message: "first"}},
			{LeafNodeType: types.NodeTypeIt, LeafNodeText: "twice", State: types.SpecStateFailed, Failure: types.Failure{Message: "second"}},
			{LeafNodeType: types.NodeTypeIt, LeafNodeText: "n/a", State: types.SpecStateSkipped},
			{LeafNodeType: types.NodeTypeIt, LeafNodeText: "later", State: types.SpecStatePending},
			{LeafNodeType: types.NodeTypeAfterSuite, State: types.SpecStateTimedout, Failure: types.Failure{Message: "slow", Location: at}},
		},
	}}
}

func parsed(t *testing.T) report {
	t.Helper()
	text, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	r, err := parseReport(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReportAgreesWithGinkgo(t *testing.T) {
	r := parsed(t)
	for i, want := range sample()[0].SpecReports {
		got := r.SpecReports[i]
		if got.fullText() != want.FullText() || got.failed() != want.Failed() || got.isSpec() != want.LeafNodeType.Is(types.NodeTypeIt) {
			t.Errorf("spec %d: %+v", i, got)
		}
	}
	if r.SpecialSuiteFailureReasons[0] != "Suite was interrupted" {
		t.Errorf("%+v", r)
	}
	want := wire.Spec{Name: "fifo when full blocks", State: "passed", DurationMS: 1500, Attempts: 1, Output: "said"}
	if got := r.SpecReports[1].spec(); got != want {
		t.Errorf("%+v", got)
	}
	want = wire.Spec{Name: "panics", State: "panicked", Message: "Test Panicked\nnil map", Location: "x_test.go:7"}
	if got := r.SpecReports[2].spec(); got != want {
		t.Errorf("%+v", got)
	}
}

func TestPlan(t *testing.T) {
	specs := planOf(parsed(t))
	want := "[{fifo when full blocks    0 0   } {panics    0 0   } {twice    0 0   } {twice    0 0   } {n/a  skipped  0 0   } {later  pending  0 0   }]"
	if got := fmt.Sprint(specs); got != want {
		t.Errorf("%s", got)
	}
	for _, c := range []struct{ specs, length, frames int }{{0, 0, 1}, {1, 5, 1}, {1000, 5, 1}, {1001, 5, 2}, {300, 1000, 3}, {3, 200 << 10, 3}} {
		list := make([]wire.Spec, c.specs)
		for i := range list {
			list[i].Name = strings.Repeat("<", c.length)
		}
		frames, total := planFrames(list), 0
		for _, f := range frames {
			total += len(f.Specs)
			if err := wire.NewWriter(discard{}, "").Write(f); err != nil {
				t.Error(err)
			}
		}
		if len(frames) != c.frames || total != c.specs {
			t.Errorf("%d specs of %d bytes: %d frames with %d", c.specs, c.length, len(frames), total)
		}
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func TestNothingIsReportedTwice(t *testing.T) {
	r := parsed(t)
	if got := (streamed{}).missed(r); len(got) != 7 || got[6].Kind != wire.KindSuiteError || got[6].Spec.Name != "AfterSuite" {
		t.Errorf("without streaming: %+v", got)
	}
	sent := streamed{}
	sent.add(wire.Spec{Name: "fifo when full blocks", State: "passed"})
	sent.add(wire.Spec{Name: "twice", State: "failed"})
	sent.add(wire.Spec{Name: "AfterSuite", Node: "AfterSuite"})
	got := sent.missed(r)
	if len(got) != 4 || got[0].Spec.Name != "panics" || got[1].Spec.Message != "second" {
		t.Errorf("with some streamed: %+v", got)
	}
}

func TestBadReports(t *testing.T) {
	for _, text := range []string{"", "[]", "{}", "[{}, {}]", "[{", `[{"SpecReports": 3}]`, strings.Repeat("[", 20000)} {
		if _, err := parseReport(strings.NewReader(text)); err == nil {
			t.Errorf("%.20q is a report", text)
		}
	}
	if _, err := readReport(t.TempDir() + "/none"); !os.IsNotExist(unwrapAll(err)) {
		t.Errorf("%v", err)
	}
}

func unwrapAll(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		if _, path := err.(*os.PathError); path {
			return err
		}
		err = u.Unwrap()
	}
}

func FuzzReport(f *testing.F) {
	text, _ := json.Marshal(sample())
	f.Add(text)
	f.Add([]byte(`[{"SpecReports":[{"LeafNodeType":"It","State":"passed","RunTime":-1}]}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseReport(bytes.NewReader(text))
		if err != nil {
			return
		}
		w := wire.NewWriter(discard{}, "")
		for _, frame := range append(planFrames(planOf(r)), streamed{}.missed(r)...) {
			if err := w.Write(frame); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestGroups has Ginkgo's word that a spec lies in an Ordered container, and looks for which.
func TestGroups(t *testing.T) {
	for name, c := range map[string]struct {
		specs []specReport
		want  []string
	}{
		"alone":          {[]specReport{in(false, "a", "b")}, []string{""}},
		"ordered":        {[]specReport{in(true, "a"), in(true, "a")}, []string{"a", "a"}},
		"ordered inside": {[]specReport{in(false, "a"), in(true, "a", "b"), in(true, "a", "b", "c")}, []string{"", "a b", "a b"}},
		"two of them":    {[]specReport{in(true, "a", "b"), in(true, "a", "c")}, []string{"a", "a"}},
		"one text twice": {[]specReport{in(true, "a", "b"), in(false, "a", "b")}, []string{"a b", ""}},
		"no container":   {[]specReport{in(true)}, []string{""}}, // there is no such thing
	} {
		var got []string
		for _, s := range planOf(report{SpecReports: c.specs}) {
			got = append(got, s.Group)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func in(ordered bool, containers ...string) specReport {
	return specReport{LeafNodeType: "It", LeafNodeText: "x", IsInOrderedContainer: ordered, ContainerHierarchyTexts: containers}
}

func TestChosen(t *testing.T) {
	specs := []wire.Spec{{Name: "a"}, {Name: "b\nc", State: "skipped"}, {Name: "a b"}}
	if got := selectSpecs(specs, nil); len(got) != 3 {
		t.Errorf("%v", got)
	}
	if got := selectSpecs(specs, []string{"b c", "none"}); len(got) != 1 || got[0].State != "skipped" {
		t.Errorf("%v", got)
	}
	for _, c := range []struct {
		f    wire.Frame
		only []string
		want bool
	}{
		{wire.Frame{Kind: wire.KindSpecEnd, Spec: &wire.Spec{Name: "x", State: "skipped"}}, nil, true},
		{wire.Frame{Kind: wire.KindSpecEnd, Spec: &wire.Spec{Name: "x", State: "skipped"}}, []string{"y"}, false},
		{wire.Frame{Kind: wire.KindSpecEnd, Spec: &wire.Spec{Name: "x\ty", State: "skipped"}}, []string{"x y"}, true},
		{wire.Frame{Kind: wire.KindSpecEnd, Spec: &wire.Spec{Name: "x", State: "failed"}}, []string{"y"}, true},
		{wire.Frame{Kind: wire.KindSpecEnd, Spec: &wire.Spec{Name: "x", State: "pending"}}, []string{"y"}, false},
		{wire.Frame{Kind: wire.KindSpecStart, Spec: &wire.Spec{Name: "x"}}, []string{"y"}, false},
		{wire.Frame{Kind: wire.KindSpecStart, Spec: &wire.Spec{Name: "y"}}, []string{"y"}, true},
		{wire.Frame{Kind: wire.KindSuiteError, Spec: &wire.Spec{Name: "x"}}, []string{"y"}, true},
	} {
		if got := selected(c.f, c.only); got != c.want {
			t.Errorf("%+v of %q: %v", c.f.Spec, c.only, got)
		}
	}
}
