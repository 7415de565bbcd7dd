package main

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

const mailLong = `The part of a cover letter that says how the module was tested: plain text of at most 72 columns.

PATH is a folder of results, a results.json, - for stdin, or what collect wrote. Results of several runs of one source are joined.
Testers are counted; one is named who signed a consent to be, for just this source, with a key that you trust. The exit code is
that of what is shown: 0, 1 or 3.`

func mailCommand(a *app) *cobra.Command {
	var out, whole string
	cmd := &cobra.Command{
		Use:     "mail [PATH...]",
		Short:   "The text for a cover letter: what was tested, by whom, and what was not",
		Long:    mailLong,
		Example: "  modmatrix report mail\n  modmatrix report mail nightly debug/results.json\n  modmatrix report mail modmatrix-collected --bundle mydriver-2.2.collection.tar.zst",
		Args:    cobra.ArbitraryArgs,
		RunE:    func(_ *cobra.Command, args []string) error { return a.mail(out, whole, args) },
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "`DIR` of the results (default modmatrix-out)")
	cmd.Flags().StringVar(&whole, "bundle", "", "`FILE` that you publish with it; its name and digest are given (default what collect, or else the run, left)")
	return cmd
}

func (a *app) mail(out, whole string, args []string) error {
	if len(args) > 0 && out != "" {
		return usage("give the results as PATH or with -o, not both")
	}
	if len(args) == 0 {
		args = []string{cmp.Or(out, harness.OutName)}
	}
	c, found, err := a.collectionOf(args)
	if err != nil {
		return err
	}
	file, err := wholeOf(cmp.Or(whole, found))
	if err != nil {
		return err
	}
	if a.json {
		err = oneLine(a.Stdout, c)
	} else {
		err = report.Mail(a.Stdout, c, file)
	}
	if err != nil {
		return fmt.Errorf("show results: %w", err)
	}
	return verdict(c.ExitCode())
}

// collectionOf reads results and at most one collection, and says which file holds everything; empty: several do.
func (a *app) collectionOf(paths []string) (*results.Collection, string, error) {
	c, whole := new(results.Collection), ""
	var parts []results.Part
	for _, p := range paths {
		read, dir, err := results.ReadCollection(p)
		switch {
		case p != "-" && err == nil && c.Schema != "":
			return nil, "", usage("%s is a second collection: collect all evidence at once", p)
		case p != "-" && err == nil:
			c, whole = read, collectionFile(read, dir)
			continue
		case p != "-" && !errors.Is(err, results.ErrNoCollection) && !errors.Is(err, fs.ErrNotExist):
			return nil, "", &harness.UsageError{Err: err}
		}
		res, dir, err := a.findResults(p)
		if err != nil {
			return nil, "", err
		}
		if info, err := os.Stat(p); len(paths) == 1 && p != "-" && err == nil {
			if whole = p; info.IsDir() {
				whole = filepath.Join(dir, results.FileName)
			}
		}
		parts = append(parts, results.Part{Name: p, Results: res})
	}
	if len(parts) == 0 {
		return c, whole, nil
	}
	if c.Own != nil {
		parts = append([]results.Part{{Name: results.CollectionName, Results: c.Own}}, parts...)
	}
	own, err := a.joined(parts)
	if err != nil {
		return nil, "", err
	}
	if c.Schema != "" && c.Module.SourceDigest != own.Module.SourceDigest {
		return nil, "", usage("the collection is of the source %s, and the results of %s: they do not belong together", c.Module.SourceDigest, own.Module.SourceDigest)
	}
	c.Own, c.Module = own, own.Module
	return c, whole, nil
}

// joined adds the author's results up, of one source.
func (a *app) joined(parts []results.Part) (*results.Results, error) {
	own, notes, err := results.Join(parts)
	if err != nil {
		return nil, &harness.UsageError{Err: err}
	}
	a.note(notes...)
	return own, nil
}

// collectionFile is what there is to publish of a collection.
func collectionFile(c *results.Collection, dir string) string {
	path := filepath.Join(dir, c.ArchiveName())
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
		return path
	}
	return filepath.Join(dir, results.CollectionName)
}

// wholeOf digests the file at path; empty: there is none.
func wholeOf(path string) (report.Whole, error) {
	if path == "" {
		return report.Whole{}, nil
	}
	in, err := os.Open(path)
	if err != nil {
		return report.Whole{}, &harness.UsageError{Err: err}
	}
	defer in.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, in); err != nil {
		return report.Whole{}, fmt.Errorf("read %s: %w", path, err)
	}
	return report.Whole{Name: filepath.Base(path), Digest: fmt.Sprintf("sha256:%x", sum.Sum(nil))}, nil
}
