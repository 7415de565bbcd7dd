package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

type form struct {
	name, short string
	write       func(a *app, res *results.Results, dir string) error
}

var forms = []form{
	{"text", "The matrix, as run shows it", func(a *app, res *results.Results, dir string) error {
		return report.Text(a.Stdout, res, a.textOptions(dir, 0))
	}},
	{"md", "The matrix as markdown, for a merge request or a job summary", written(report.Markdown)},
	{"json", "The document, checked", func(a *app, res *results.Results, _ string) error { return res.JSON(a.Stdout) }},
	{"html", "One page for a browser: the table, and every cell with all that is known of it", (*app).html},
	{"junit", "JUnit's XML, for the test view of a CI: a suite for each cell, a case for each spec", written(report.JUnit)},
	{"ktap", "The kernel's test protocol: a test for each cell, a subtest for each stage and spec", written(report.KTAP)},
	{"github", "Annotations for the log of a GitHub step; the matrix goes to $GITHUB_STEP_SUMMARY, or below them", (*app).github},
	{"gitlab", "GitLab's code quality report: an issue for each cause, at its line of the source", written(report.GitLab)},
	{"kcidb", "The kernel community's result database, its format 5.3", written(report.KCIDB)},
	{"badge", "A picture for a README, as SVG", written(report.Badge)},
}

// written is for a format that is all on stdout.
func written(write func(io.Writer, *results.Results) error) func(*app, *results.Results, string) error {
	return func(a *app, res *results.Results, _ string) error { return write(a.Stdout, res) }
}

// html shows consoles from the folder of results. It is read through a handle: no link in it leads anywhere else.
func (a *app) html(res *results.Results, dir string) error {
	if dir == "" {
		return report.HTML(a.Stdout, res, nil)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return report.HTML(a.Stdout, res, root.FS())
}

// github appends to the file that the runner names for the summary of a step.
func (a *app) github(res *results.Results, _ string) error {
	path := os.Getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return report.GitHub(a.Stdout, a.Stdout, res)
	}
	summary, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open $GITHUB_STEP_SUMMARY: %w", err)
	}
	return errors.Join(report.GitHub(a.Stdout, summary, res), summary.Close())
}

func reportCommand(a *app) *cobra.Command {
	var subs []*cobra.Command
	for _, f := range forms {
		var out string
		sub := &cobra.Command{
			Use:     f.name + " [PATH]",
			Short:   f.short,
			Long:    f.short + ".\n\nPATH is a folder of results, a results.json, or - for stdin. The exit code is that of the matrix: 0, 1 or 3.",
			Example: fmt.Sprintf("  modmatrix report %s\n  modmatrix report %[1]s nightly/results.json", f.name),
			Args:    atMost(1),
			RunE:    func(_ *cobra.Command, args []string) error { return a.report(f, out, args) },
		}
		sub.Flags().StringVarP(&out, "output", "o", "", "`DIR` of the results (default modmatrix-out)")
		subs = append(subs, sub)
	}
	return group("report", "form", append(subs, mailCommand(a))...)
}

func (a *app) report(f form, out string, args []string) error {
	if len(args) > 0 && out != "" {
		return usage("give the results as PATH or with -o, not both")
	}
	path := cmp.Or(out, harness.OutName)
	if len(args) > 0 {
		path = args[0]
	}
	res, dir, err := a.findResults(path)
	if err != nil {
		return err
	}
	if a.json {
		err = oneLine(a.Stdout, res)
	} else {
		err = f.write(a, res, dir)
	}
	if err != nil {
		return fmt.Errorf("show results: %w", err)
	}
	return verdict(res.ExitCode())
}

// oneLine writes the document as a line of JSON.
func oneLine(w io.Writer, written interface{ JSON(io.Writer) error }) error {
	var doc bytes.Buffer
	if err := written.JSON(&doc); err != nil {
		return err
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(json.RawMessage(doc.Bytes()))
}

// findResults reads the results at path, a folder, a file, or - for stdin, and says in which folder their artifacts lie.
func (a *app) findResults(path string) (*results.Results, string, error) {
	if path == "-" {
		res, err := results.Decode(a.Stdin)
		if err != nil {
			return nil, "", &harness.UsageError{Err: fmt.Errorf("read stdin: %w", err)}
		}
		return res, "", nil
	}
	res, dir, err := results.ReadAt(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", usage("no results at %s: start modmatrix run first, or name their folder with -o", path)
	}
	if err != nil {
		return nil, "", &harness.UsageError{Err: err}
	}
	return res, dir, nil
}
