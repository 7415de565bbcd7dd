package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

const (
	githubAnnotations = 10      // more of a step are not shown
	githubSummary     = 1 << 20 // bytes; of a step whose summary is larger, nothing is shown (docs.github.com, "Workflow commands")
)

// GitHub writes annotations for the log of a step, one for each cause, the worst first, and the matrix as its summary, cut at
// what GitHub shows.
func GitHub(log, summary io.Writer, r *results.Results) error {
	var text bytes.Buffer
	m := r.Matrix()
	if why := r.WhyUntested(); why != "" {
		fmt.Fprintf(&text, "::warning title=%s::%s\n", githubValue(nothingTested), githubText(why))
	}
	found := findings(m)
	for i, f := range found {
		if left := len(found) - i; i == githubAnnotations-1 && left > 1 {
			fmt.Fprintf(&text, "::error title=%s::%s\n", githubValue(results.Plain(r.Module.Name)), githubText(fmt.Sprintf("+%d more causes, in the summary of the step", left)))
			break
		}
		place := ""
		if file, line := f.source(); file != "" {
			place = fmt.Sprintf("file=%s,line=%d,", githubValue(file), line)
		}
		level := "warning" // our side, or a cell that did not run
		if f.rec.Status == results.Fail {
			level = "error"
		}
		text.WriteString("::" + level + " " + place + "title=" + githubValue(results.Plain(r.Module.Name+" on "+f.rec.Target.Label())) + "::" + githubText(f.annotation()) + "\n")
	}
	writeCheckAnnotations(&text, m, githubAnnotations-min(len(found), githubAnnotations))
	if _, err := log.Write(text.Bytes()); err != nil {
		return err
	}
	text.Reset()
	if err := Markdown(&text, r); err != nil {
		return err
	}
	_, err := summary.Write(cutLines(text.Bytes(), githubSummary))
	return err
}

// annotation is the finding with the other kernels that it is on, and the command that runs it again.
func (f finding) annotation() string {
	text := f.heading()
	if len(f.also) > 0 {
		text += "\nalso on " + results.Plain(strings.Join(f.also, ", "))
	}
	return text
}

// cutLines keeps as many whole lines as fit into max bytes, and says how many do not.
func cutLines(text []byte, max int) []byte {
	if len(text) <= max {
		return text
	}
	const room = 80
	keep := bytes.LastIndexByte(text[:max-room], '\n') + 1
	return fmt.Appendf(text[:keep:keep], "\n+%d more lines, in results.json\n", bytes.Count(text[keep:], []byte("\n")))
}

// githubText is the message of a workflow command, in which a line break or a percent sign would not be itself.
func githubText(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// githubValue is a parameter of a workflow command, which ends at a comma or a colon as well.
func githubValue(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(githubText(s))
}
