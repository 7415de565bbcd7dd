package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is the tool's own; it changes with a release.
const version = "0.1.0"

// stamp is the commit of a release, as make dist has the linker put it here: what Go itself knows depends on the clone.
var stamp string

func versionCommand(a *app) *cobra.Command {
	return verb("version", func(*cobra.Command, []string) error {
		if a.json {
			return a.encode(map[string]string{"version": version, "commit": commit(), "go": runtime.Version()})
		}
		_, err := fmt.Fprintf(a.Stdout, "%s, %s\n", toolName(), runtime.Version())
		return err
	})
}

// toolName is how results name the tool that made them.
func toolName() string {
	if c := commit(); c != "" {
		return fmt.Sprintf("modmatrix %s (%s)", version, c)
	}
	return "modmatrix " + version
}

// commit is what the binary was built from, with "+" when the work tree had changes; empty when Go does not know.
func commit() string {
	if stamp != "" {
		return stamp
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	revision := settings["vcs.revision"]
	revision = revision[:min(12, len(revision))]
	if revision != "" && settings["vcs.modified"] == "true" {
		revision += "+"
	}
	return revision
}
