package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

func mergeCommand(a *app) *cobra.Command {
	var out string
	cmd := verb("merge", func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("merge needs results: folders, or files called %s", results.FileName)
		}
		if out == "" {
			return usage("merge needs -o DIR, a folder for what it makes")
		}
		return a.merge(args, out)
	})
	cmd.Args = cobra.ArbitraryArgs
	cmd.Flags().StringVarP(&out, "output", "o", "", "`DIR` for the merged results and their logs")
	return cmd
}

func (a *app) merge(paths []string, out string) error {
	var parts []results.Part
	var dirs []string
	for _, path := range paths {
		res, dir, err := a.findResults(path)
		if err != nil {
			return err
		}
		parts, dirs = append(parts, results.Part{Name: path, Results: res}), append(dirs, dir)
	}
	merged, notes, err := results.Merge(parts)
	if err != nil {
		return &harness.UsageError{Err: err}
	}
	merged.Records = judge.Across(merged.Records) // a shard did not see the kernels of the others
	merged.Finish()
	folder, err := results.OpenFolder(out)
	if err != nil {
		return &harness.UsageError{Err: fmt.Errorf("output folder: %w", err)}
	}
	defer folder.Close()
	for i, p := range parts {
		missing, err := gather(folder, dirs[i], p.Results)
		if err != nil {
			return fmt.Errorf("gather logs of %s: %w", p.Name, err)
		}
		if missing > 0 {
			notes = append(notes, fmt.Sprintf("%s lacks %s that its results name", results.Plain(p.Name), results.Plural(missing, "log")))
		}
	}
	if err := merged.Write(folder); err != nil {
		return err
	}
	for _, n := range notes {
		a.note(n)
	}
	if a.json {
		err = oneLine(a.Stdout, merged)
	} else {
		err = report.Text(a.Stdout, merged, a.textOptions(out, 0))
	}
	if err != nil {
		return err
	}
	return verdict(merged.ExitCode())
}

// gather copies the files of r, which lie below dir, to where merged results have them, and says how many are not there. They
// are read through a handle: no link among them leads anywhere else.
func gather(into *results.Folder, dir string, r *results.Results) (missing int, err error) {
	if dir == "" {
		return 0, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	for from, to := range r.MergedFiles() {
		info, err := root.Stat(from)
		if err != nil || !info.Mode().IsRegular() { // gone, or a link to elsewhere
			missing++
			continue
		}
		file, err := root.Open(from)
		if err != nil {
			return missing, err
		}
		err = into.Write(to, func(w io.Writer) error {
			_, err := io.Copy(w, file)
			return err
		})
		if err := errors.Join(err, file.Close()); err != nil {
			return missing, err
		}
	}
	return missing, nil
}
