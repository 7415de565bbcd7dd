package harness

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

func inTree(tree *kernels.Tree, modules []kbuild.Module) ([]results.InTree, error) {
	var found []results.InTree
	for _, m := range modules {
		path, ok, err := tree.Module(m.Name)
		if err != nil {
			return nil, fmt.Errorf("look for the kernel's own %s: %w", m.Name, err)
		}
		if !ok {
			continue
		}
		var theirs kbuild.Module
		data, err := kernels.ReadModule(path)
		if err == nil {
			theirs, err = kbuild.InspectData(filepath.Base(path), data)
		}
		if err != nil {
			return nil, fmt.Errorf("read the kernel's own %s: %w", m.Name, err)
		}
		found = append(found, results.InTree{Module: m.Name, Version: theirs.Version, SrcVersion: theirs.SrcVersion, Ours: relation(m, theirs)})
	}
	return found, nil
}

// relation says how ours stands to the kernel's own copy, as dkms decides it when it installs: by the versions where both
// have one, else by the checksums of the sources (dkms 3.2.2, compare_module_version).
func relation(ours, theirs kbuild.Module) results.Relation {
	switch {
	case ours.Version != "" && theirs.Version != "" && ours.Version != theirs.Version:
		if padded(ours.Version) < padded(theirs.Version) {
			return results.Older
		}
		return results.Newer
	case ours.SrcVersion != "" && ours.SrcVersion == theirs.SrcVersion:
		return results.Same
	case ours.Version != "" && ours.Version == theirs.Version && (ours.SrcVersion == "" || theirs.SrcVersion == ""):
		return results.Same
	}
	return results.Other
}

var digits = regexp.MustCompile(`\d+`)

// padded writes every number of a version with leading zeros, so that versions compare as texts.
func padded(version string) string {
	return digits.ReplaceAllStringFunc(version, func(n string) string { return strings.Repeat("0", max(0, 20-len(n))) + n })
}

func inTreeNotes(all []results.InTree) (lines []string) {
	words := map[results.Relation]string{results.Newer: "ours is newer", results.Older: "ours is older", results.Same: "the same as ours",
		results.Other: "of another source"}
	for _, t := range all {
		lines = append(lines, fmt.Sprintf("in tree: the kernel brings its own %s %s, %s", t.Module, cmp.Or(t.Version, "(no version)"), words[t.Ours]))
	}
	return lines
}

// deferred is the condition under which the kernel's own modules are to be preferred: none is older than ours.
func deferred(modules []kbuild.Module, all []results.InTree) string {
	if len(all) == 0 || len(all) < len(modules) {
		return ""
	}
	if slices.ContainsFunc(all, func(t results.InTree) bool { return t.Ours != results.Same && t.Ours != results.Older }) {
		return ""
	}
	return "the kernel brings its own: " + strings.Join(inTreeNotes(all), "; ")
}
