package report

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// codeQuality is an issue of GitLab's code quality report (docs.gitlab.com, "Code Quality", "Code quality report format").
type codeQuality struct {
	Description string `json:"description"`
	CheckName   string `json:"check_name"`
	Fingerprint string `json:"fingerprint"`
	Severity    string `json:"severity"`
	Location    struct {
		Path  string `json:"path"`
		Lines struct {
			Begin int `json:"begin"`
		} `json:"lines"`
	} `json:"location"`
}

// GitLab writes a code quality report, which a merge request shows beside the lines that it changes: an issue for each cause, where
// its line in the source is known, else at the module's name. A fingerprint stays while the cause does.
func GitLab(w io.Writer, r *results.Results) error {
	issues := []codeQuality{}
	seen := map[string]bool{}
	for _, f := range findings(r.Matrix()) {
		file, line := f.source()
		if file == "" {
			file, line = results.Plain(r.Module.Name), 1
		}
		issue := codeQuality{Description: strings.ReplaceAll(f.annotation(), "\n", "; "), CheckName: "modmatrix/" + strings.Trim(results.Plain(string(f.rec.Stage)+"/"+string(f.rec.Code)), "/"),
			Fingerprint: fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, causeOf(f.rec), file))), Severity: "major"}
		if f.rec.Status == results.Fail {
			issue.Severity = "critical"
		}
		issue.Location.Path, issue.Location.Lines.Begin = file, line
		if !seen[issue.Fingerprint] {
			seen[issue.Fingerprint] = true
			issues = append(issues, issue)
		}
	}
	for _, issue := range checkIssues(r.Matrix()) {
		if !seen[issue.Fingerprint] {
			seen[issue.Fingerprint] = true
			issues = append(issues, issue)
		}
	}
	enc := json.NewEncoder(results.PlainJSON(w))
	enc.SetIndent("", " ")
	enc.SetEscapeHTML(false)
	return enc.Encode(issues)
}

var sourcePlace = regexp.MustCompile(`(?:^|[\s(])([^\s():]+\.[chS]):([1-9][0-9]{0,6})\b`)

// source is the line of the module's source that the finding is about, where it names one.
func (f finding) source() (file string, line int) {
	texts := []string{f.rec.Reason}
	for _, s := range f.rec.Splats {
		if s.Owner == results.OwnerModule {
			texts = append(texts, s.Where)
		}
	}
	for _, text := range texts {
		if m := sourcePlace.FindStringSubmatch(text); m != nil && !strings.HasPrefix(m[1], "/") && !strings.Contains(m[1], "..") {
			line, _ = strconv.Atoi(m[2])
			return results.Plain(m[1]), line
		}
	}
	return "", 0
}
