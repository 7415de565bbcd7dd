package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"github.com/charmbracelet/x/ansi"

	"github.com/modmatrix/modmatrix/results"
)

//go:embed badge.svg
var badgeText string

var badgeSVG = template.Must(template.New("badge").Parse(badgeText))

// Badge writes a picture for a README, as SVG: the oldest and the newest kernel, and on how many of them the module works. It is
// green only where each of them passed or was skipped, and one passed.
func Badge(w io.Writer, r *results.Results) error {
	m := r.Matrix()
	pass := 0
	oldest, newest := results.Span(m.Rows)
	first, last := results.Target{Version: oldest}.Series(), results.Target{Version: newest}.Series()
	for _, row := range m.Rows {
		if row.Status() == results.Pass {
			pass++
		}
	}
	text := "no kernels"
	if n := len(m.Rows); n > 0 {
		text = fmt.Sprintf("%d/%d", pass, n)
		if first != last {
			text = first + " – " + last + " · " + text
		} else if first != "" {
			text = first + " · " + text
		}
	}
	label := results.Plain(r.Module.Name)
	colour := map[int]string{results.ExitPass: "#1a7f37", results.ExitFail: "#cf222e"}[r.ExitCode()]
	if colour == "" {
		colour = "#9a6700"
	}
	left, right := 7*ansi.StringWidth(label)+12, 7*ansi.StringWidth(text)+12
	return badgeSVG.Execute(w, map[string]any{"Label": label, "Text": text, "Colour": colour, "Left": left, "Right": right, "Width": left + right, "LeftMiddle": left / 2, "RightMiddle": left + right/2})
}
