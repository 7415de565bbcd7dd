package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

func historyCommand(a *app) *cobra.Command {
	cmd := verb("history", func(_ *cobra.Command, args []string) error {
		return a.withHistory(func(h *results.History) error {
			runs, err := pastRuns(h, "")
			if err != nil {
				return err
			}
			return a.showHistory(runs, strings.Join(args, " "))
		})
	})
	var module string
	var keep int
	prune := verb("history-prune", func(*cobra.Command, []string) error {
		if keep < 0 {
			return usage("--keep %d: it is a number of runs", keep)
		}
		return a.withHistory(func(h *results.History) error {
			n, err := h.Prune(module, keep)
			if err == nil {
				_, err = fmt.Fprintf(a.Stdout, "removed %s\n", results.Plural(n, "run"))
			}
			return err
		})
	})
	prune.Flags().StringVar(&module, "module", "", "`NAME` of the module (default: all)")
	prune.Flags().IntVar(&keep, "keep", 20, "`N` newest runs of a module stay")
	cmd.AddCommand(prune)
	return cmd
}

// historyDir is where earlier runs are remembered; empty where the user has no folder for it.
func historyDir() string {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) { // the specification says to ignore such a one
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "modmatrix", "history")
}

func (a *app) withHistory(do func(*results.History) error) error {
	dir := historyDir()
	if dir == "" {
		return usage("there is no folder for the history: set XDG_STATE_HOME")
	}
	h, err := results.OpenHistory(dir)
	if err != nil {
		return err
	}
	defer h.Close()
	return do(h)
}

func pastRuns(h *results.History, module string) (all []*results.Results, err error) {
	runs, err := h.Runs(module)
	if err != nil {
		return nil, err
	}
	for _, p := range runs {
		r, err := h.Read(p)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// showHistory lists runs, or where cell is not empty, what became of the cells whose name has it.
func (a *app) showHistory(runs []*results.Results, cell string) error {
	if a.json {
		for _, r := range runs {
			if err := oneLine(a.Stdout, r); err != nil {
				return err
			}
		}
		return nil
	}
	if cell == "" {
		return report.History(a.Stdout, runs)
	}
	found, err := report.PastOf(a.Stdout, runs, cell)
	if err == nil && !found {
		return usage("no earlier run has a cell like %q: modmatrix history lists them", cell)
	}
	return err
}
