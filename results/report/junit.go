package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/onsi/ginkgo/v2/reporters"

	"github.com/modmatrix/modmatrix/results"
)

// JUnit writes a test suite for each cell, in the shape that Ginkgo writes: a case "verdict", which fails where the cell does
// for whatever cause, and one for each spec. ERROR and MISS are errors: nothing that did not run looks like a pass. Names
// are unique, as GitLab wants them, which shows the class name as the suite (docs.gitlab.com, "Unit test reports").
func JUnit(w io.Writer, r *results.Results) error {
	records := r.Matrix().Records()
	names := labels(records)
	top := reporters.JUnitTestSuites{}
	for _, rec := range records {
		top.Time += float64(rec.Timings.Total) / 1000
		for _, s := range append(rec.Specs, results.Spec{Status: rec.Status}) {
			top.Tests++
			switch s.Status {
			case results.Pass:
			case results.Skip:
				top.Disabled++
			case results.Fail:
				top.Failures++
			default:
				top.Errors++
			}
		}
	}
	if _, err := fmt.Fprintf(w, "%s<testsuites tests=\"%d\" disabled=\"%d\" errors=\"%d\" failures=\"%d\" time=\"%g\">\n", xml.Header, top.Tests, top.Disabled, top.Errors, top.Failures, top.Time); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent(" ", " ")
	for i, rec := range records { // one by one: all at once is several times the size of the matrix
		if err := enc.EncodeElement(junitSuite(r, rec, names[i]), xml.StartElement{Name: xml.Name{Local: "testsuite"}}); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "\n</testsuites>\n")
	return err
}

func junitSuite(r *results.Results, rec results.Record, name string) reporters.JUnitTestSuite {
	all := []step{{"verdict", rec.Status, rec.Timings.Total, rec.Why(), false}}
	for _, s := range steps(rec) {
		if s.spec {
			all = append(all, s)
		}
	}
	out := reporters.JUnitTestSuite{Name: name, Package: results.Plain(r.Module.Name), Time: float64(rec.Timings.Total) / 1000, Timestamp: r.Run.Started.UTC().Format("2006-01-02T15:04:05")}
	for _, p := range []reporters.JUnitProperty{{Name: "kernel", Value: rec.Target.Release}, {Name: "compiler", Value: rec.Target.Compiler}, {Name: "config_digest", Value: rec.Target.ConfigDigest},
		{Name: "source_digest", Value: r.Module.SourceDigest}, {Name: "accelerator", Value: r.Run.Host.Accelerator}, {Name: "code", Value: string(rec.Code)}} {
		if p.Value = results.Plain(p.Value); p.Value != "" {
			out.Properties.Properties = append(out.Properties.Properties, p)
		}
	}
	for i, s := range all {
		c := reporters.JUnitTestCase{Name: s.name, Classname: "kmod." + name, Status: string(s.status), Time: float64(s.ms) / 1000}
		body := ""
		if i == 0 && s.status != results.Pass && s.status != results.Skip {
			body = strings.Join(evidence(rec, r.Run.Asked), "\n")
		}
		out.Tests++
		switch s.status {
		case results.Pass:
		case results.Skip:
			out.Skipped++
			c.Skipped = &reporters.JUnitSkipped{Message: s.why}
		case results.Fail:
			out.Failures++
			c.Failure = &reporters.JUnitFailure{Message: s.why, Type: results.Plain(string(rec.Code)), Description: body}
		default:
			out.Errors++
			c.Error = &reporters.JUnitError{Message: s.why, Type: string(s.status), Description: body}
		}
		out.TestCases = append(out.TestCases, c)
	}
	return out
}
