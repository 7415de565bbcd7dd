package main

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/config"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/arch"
)

// complete adds what shells offer to every verb below cmd: for the values of flags, by their names, and for arguments, by the verb's.
// It is quick: nothing is resolved, and no network is touched.
func (a *app) complete(cmd *cobra.Command) {
	flags := map[string]cobra.CompletionFunc{
		"color": words("auto", "always", "never"), "isolate": words(harness.Isolations...), "arch": words(arch.Names()...),
		"kernel": a.kernelsAtHand, "good": a.kernelsAtHand, "bad": a.kernelsAtHand, "suite": suitesHere,
	}
	for _, verb := range cmd.Commands() {
		a.complete(verb)
		switch verb.CommandPath() {
		case "modmatrix plan":
			flags["format"] = words(slices.Concat([]string{"text", "json"}, slices.Sorted(maps.Keys(engineJobs)))...)
		case "modmatrix diff":
			flags["format"] = words("text", "md", "json")
		case "modmatrix explain":
			verb.ValidArgsFunction = a.cellsThere
		case "modmatrix history":
			verb.ValidArgsFunction = a.cellsBefore
		case "modmatrix kernels fetch":
			verb.ValidArgsFunction = a.kernelsAtHand
		}
		for name, offer := range flags {
			_ = verb.RegisterFlagCompletionFunc(name, offer) // it has no such flag
		}
	}
}

func words(list ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)
}

// offered are words in order, each once, that stand for no file.
func offered(list []string) ([]string, cobra.ShellCompDirective) {
	slices.Sort(list)
	return slices.Compact(list), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// kernelsAtHand are selectors: the usual ones, the sets of the module's configuration, and what the store's indices were asked for.
func (a *app) kernelsAtHand(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	list := []string{"debian:all\tthe newest of every series", "host\tthe running kernel"}
	for _, sel := range config.DefaultKernels {
		list = append(list, sel.String())
	}
	module := "."
	if cmd.Name() != "fetch" && len(args) > 0 {
		module = args[0]
	}
	if cfg, err := config.Load(filepath.Join(module, harness.ConfigName)); err == nil {
		for name := range cfg.Sets {
			list = append(list, "@"+results.Plain(name)+"\ta set of "+harness.ConfigName)
		}
	}
	if h, err := a.harness(silence); err == nil {
		archive, _ := h.Sources(harness.Spec{Offline: true})["debian"].(interface{ Known() []kernels.Target })
		if archive != nil {
			for _, t := range archive.Known() {
				list = append(list, t.Source, harness.About(t).Selector())
			}
		}
	}
	return offered(list)
}

// suitesHere are those that come with modmatrix, and folders of suites below this one.
func suitesHere(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	list := []string{harness.Lifecycle}
	tests, _ := filepath.Glob("suites/*/*_test.go")
	for _, path := range tests {
		list = append(list, filepath.Dir(path))
	}
	list, _ = offered(list)
	return list, cobra.ShellCompDirectiveDefault
}

// cellsThere are the kernels of the results that explain is about, and behind a kernel its suites.
func (a *app) cellsThere(cmd *cobra.Command, args []string, _ string) (list []string, _ cobra.ShellCompDirective) {
	out, _ := cmd.Flags().GetString("output")
	out = cmp.Or(out, harness.OutName)
	if info, err := os.Stat(out); err != nil || !info.IsDir() && !info.Mode().IsRegular() { // stdin is the shell's
		return offered(nil)
	}
	res, _, err := a.findResults(out)
	if err != nil {
		return offered(nil)
	}
	for _, rec := range res.Records {
		switch len(args) {
		case 0:
			list = append(list, results.Plain(rec.Target.Label()))
		case 1:
			list = append(list, results.Plain(rec.Suite))
		}
	}
	return offered(list)
}

// cellsBefore are the kernels, by selector, and suites of earlier runs.
func (a *app) cellsBefore(_ *cobra.Command, args []string, _ string) (list []string, _ cobra.ShellCompDirective) {
	_ = a.withHistory(func(h *results.History) error {
		runs, err := pastRuns(h, "")
		for _, r := range runs {
			for _, rec := range r.Records {
				list = append(list, results.Plain(rec.Target.Source), results.Plain(rec.Suite), results.Plain(rec.Target.Label()))
			}
		}
		return err
	})
	return offered(list)
}
