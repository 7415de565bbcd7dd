package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/evidence"
	"github.com/modmatrix/modmatrix/results/report"
)

// collecting is what collect is asked for.
type collecting struct {
	verifyFlags
	own []string // results of the author's; nil: those of harness.OutName, where there are any
	out string
}

func collectCommand(a *app) *cobra.Command {
	var job collecting
	cmd := verb("collect", func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage("collect needs a folder of evidence: what testers sent, as FILE%s", evidenceSuffix)
		}
		return a.collectEvidence(cmd, job, args[0])
	})
	cmd.Args = cobra.ArbitraryArgs
	job.ofAuthor(cmd)
	cmd.Flags().StringArrayVar(&job.own, "own", nil, "`PATH` of results of your own, repeatable (default "+harness.OutName+", where it is there)")
	cmd.Flags().StringVarP(&job.out, "output", "o", harness.CollectedName, "`DIR` for what it makes")
	return cmd
}

func (a *app) collectEvidence(cmd *cobra.Command, job collecting, dir string) error {
	own, err := a.ownResults(job.own)
	if err != nil {
		return err
	}
	source, err := job.source(cmd, a)
	if err != nil {
		return err
	}
	if own != nil && source != "" && own.Module.SourceDigest != source {
		a.note("your own results are of an earlier source than the module here, and so is what counts: run it again first")
	}
	trust, err := job.trust(a)
	if err != nil {
		return err
	}
	files, err := a.testimonies(cmd.Context(), dir, trust)
	if err != nil {
		return err
	}
	c, err := results.Collect(own, source, files)
	if err != nil {
		return &harness.UsageError{Err: err}
	}
	if err := writeCollection(c, job.out, dir); err != nil {
		return err
	}
	if a.json {
		err = oneLine(a.Stdout, c)
	} else {
		err = report.Collected(a.Stdout, c, a.textOptions(job.out, 0))
	}
	if err != nil {
		return err
	}
	return verdict(c.ExitCode())
}

// ownResults joins the results at paths; without any, those that a run leaves here, where there are.
func (a *app) ownResults(paths []string) (*results.Results, error) {
	if len(paths) == 0 {
		if !results.Made(harness.OutName) {
			return nil, nil
		}
		paths = []string{harness.OutName}
	}
	var parts []results.Part
	for _, p := range paths {
		res, _, err := a.findResults(p)
		if err != nil {
			return nil, err
		}
		parts = append(parts, results.Part{Name: p, Results: res})
	}
	return a.joined(parts)
}

const (
	archiveSuffix    = ".tar.zst"
	collectionSuffix = ".collection.tar.zst" // of what collect makes
	maxEvidence      = 10_000                // files of a folder
)

// testimonies opens every archive below dir. What is none of evidence is among them, and refused.
func (a *app) testimonies(ctx context.Context, dir string, trust *evidence.Trust) (all []results.Testimony, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, &harness.UsageError{Err: fmt.Errorf("open folder of evidence: %w", err)}
	}
	defer root.Close()
	var names, paths []string
	others := 0
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || ctx.Err() != nil:
			return cmp.Or(err, ctx.Err())
		case d.IsDir() || path.Base(name) == results.CollectionName || strings.HasSuffix(name, collectionSuffix):
			return nil
		case !d.Type().IsRegular() || !strings.HasSuffix(name, archiveSuffix):
			others++
			return nil
		case len(names) == maxEvidence:
			return usage("%s holds more than %d files of evidence: give parts of it", dir, maxEvidence)
		}
		names, paths = append(names, name), append(paths, filepath.Join(dir, name))
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, o := range evidence.OpenAll(ctx, paths, trust, "") {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		all = append(all, evidence.Testify(names[i], o.Evidence, o.Err))
	}
	if others > 0 {
		a.note(fmt.Sprintf("%s not read: only those called *%s are evidence", results.Plural(others, "other file"), archiveSuffix))
	}
	return all, nil
}

// writeCollection writes the collection into the folder out, and beside it the archive of everything that counts, to be published.
func writeCollection(c *results.Collection, out, from string) error {
	folder, err := results.OpenFolder(out)
	if err != nil {
		return &harness.UsageError{Err: fmt.Errorf("output folder: %w", err)}
	}
	defer folder.Close()
	if err := c.Write(folder); err != nil {
		return err
	}
	var doc, own bytes.Buffer
	if err := c.JSON(&doc); err != nil {
		return err
	}
	files := []evidence.File{{Name: results.CollectionName, Data: doc.Bytes()}}
	if c.Own != nil {
		if err := c.Own.JSON(&own); err != nil {
			return err
		}
		files = append(files, evidence.File{Name: results.FileName, Data: own.Bytes()})
	}
	for _, f := range c.Files {
		if f.Use == results.UseCounted {
			digest := strings.TrimPrefix(f.Digest, "sha256:")
			files = append(files, evidence.File{Name: "evidence/" + digest + evidenceSuffix, Host: filepath.Join(from, f.Name)})
		}
	}
	_, _, err = evidence.WriteFile(filepath.Join(out, c.ArchiveName()), evidence.Manifest{Schema: results.CollectionSchema, Tool: toolName()}, files)
	return err
}
