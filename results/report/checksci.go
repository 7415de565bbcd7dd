package report

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"

	"github.com/modmatrix/modmatrix/results"
)

// Findings of static checks where a CI shows them: at their lines.

// place is the finding's file, and its line, from 1.
func (f placedFinding) place() (file string, line int) {
	file = results.Plain(f.File())
	if rest := f.Where[min(len(f.Where), len(f.File())+1):]; rest != "" {
		line, _ = strconv.Atoi(rest)
	}
	return file, max(line, 1)
}

// text is what the finding says without its place.
func (f placedFinding) text() string {
	return results.Plain(fmt.Sprintf("%s [%s %s]", f.Message, f.check, f.Kind))
}

// writeCheckAnnotations writes the first findings as annotations of GitHub's, as many as there is room for.
func writeCheckAnnotations(out io.Writer, m results.Matrix, room int) {
	for i, f := range checkFindings(m) {
		if i == room {
			return
		}
		place := ""
		if file, line := f.place(); file != "" {
			place = fmt.Sprintf("file=%s,line=%d,", githubValue(file), line)
		}
		level := map[results.Level]string{results.LevelError: "error", results.LevelWarning: "warning"}[f.Level]
		if level == "" {
			level = "notice"
		}
		fmt.Fprintf(out, "::%s %stitle=%s::%s\n", level, place, githubValue(results.Plain(f.check)), githubText(f.text()))
	}
}

// checkIssues are the findings as issues of GitLab's code quality report. That a line moves makes no other issue of it.
func checkIssues(m results.Matrix) (all []codeQuality) {
	times := map[string]int{}
	for _, f := range checkFindings(m) {
		file, line := f.place()
		if file == "" {
			continue
		}
		issue := codeQuality{Description: f.text(), CheckName: "modmatrix/" + results.Plain(f.check+"/"+f.Kind), Severity: "minor"}
		switch f.Level {
		case results.LevelError:
			issue.Severity = "major"
		case results.LevelNote:
			issue.Severity = "info"
		}
		mark := fmt.Sprintf("%s %s %s %s", f.check, f.Kind, file, f.Message)
		times[mark]++
		issue.Fingerprint = fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, "check ", mark, times[mark])))
		issue.Location.Path, issue.Location.Lines.Begin = file, line
		all = append(all, issue)
	}
	return all
}
