package harness

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/api"
	"github.com/modmatrix/modmatrix/results"
)

// targetOf is a record's kernel as far as the record tells.
func targetOf(t results.Target) kernels.Target {
	return kernels.Target{Release: t.Release, Version: t.Version, Arch: t.Arch, Flavour: t.Flavour, Profile: t.Profile, Source: t.Source}
}

// compareHeaders says what two kernels declare of ids. Both must be in the store.
func (h *Harness) compareHeaders(ctx context.Context, spec Spec, old, fresh kernels.Target, ids []results.Ident) ([]results.Change, error) {
	var found [2]*api.Headers
	for i, t := range []kernels.Target{old, fresh} {
		tree, err := h.storedTree(ctx, spec, t)
		if err == nil {
			found[i], err = api.Open(tree)
		}
		if err != nil {
			return nil, fmt.Errorf("the headers of %s cannot be read: %w", Label(t), err)
		}
	}
	return api.Compare(found[0], found[1], ids), nil
}

// storedTree gives a tree that is there already. It downloads and compiles nothing.
func (h *Harness) storedTree(ctx context.Context, spec Spec, t kernels.Target) (*kernels.Tree, error) {
	kind, _ := t.Origin()
	spec.Offline = true
	source := h.sources(spec)[kind]
	if source == nil || kind == "git" || kind == "tar" {
		return nil, fmt.Errorf("kernels of %q are not kept as headers", kind)
	}
	if len(t.Packages) == 0 {
		known, err := resolveAgain(ctx, source, t)
		if err != nil {
			return nil, err
		}
		t = known
	}
	return source.Fetch(ctx, t, func(kernels.Progress) {})
}

// resolveAgain finds the target that a record names.
func resolveAgain(ctx context.Context, source Source, t kernels.Target) (kernels.Target, error) {
	sel, err := kernels.ParseSelector(t.Source)
	if err != nil {
		return t, err
	}
	if sel.Source == "debian" {
		sel.Version, sel.Flavour = t.Version, t.Flavour
	}
	res, err := source.Resolve(ctx, sel)
	if err != nil {
		return t, err
	}
	i := slices.IndexFunc(res.Targets, func(o kernels.Target) bool { return o.Release == t.Release })
	if i < 0 {
		return t, fmt.Errorf("%w: %s is another kernel by now", kernels.ErrUnavailable, sel)
	}
	return res.Targets[i], nil
}

// changes is what differs between two kernels in the names that a bad step stumbled over; nil where that cannot be told.
func (b *bisection) changes(ctx context.Context, spec Spec, bad step, good, fresh kernels.Target) []results.Change {
	ids := api.Faults(buildLog(bad.record, bad.Results) + "\n" + bad.Reason)
	if len(ids) == 0 {
		return nil
	}
	changes, err := b.compareHeaders(ctx, spec, good, fresh, ids)
	if err != nil && ctx.Err() == nil {
		b.event(results.Event{Kind: results.EventNotice, Text: err.Error()})
	}
	return changes
}

// guard are the lines that would tell the two kernels apart, for each name by itself: what changed between two kernels need
// not have changed at once. good is the version on which the module was built. It is a suggestion: what belongs into either
// branch only the author knows.
func guard(changes []results.Change, good, bad string) []string {
	var lines []string
	for _, c := range changes {
		if c.What == results.DeclSame || c.What == results.DeclUnseen {
			continue
		}
		p, itself := probe(c)
		if p != "" {
			lines = append(lines, p)
		}
		if itself {
			continue // the preprocessor itself can tell
		}
		was, is, older, newer := c.Old, c.New, good, bad
		if results.CompareVersions(good, bad) > 0 {
			was, is, older, newer = is, was, newer, older
		}
		lines = append(lines, condition(c, older, newer, results.CompareVersions(good, bad) < 0)...)
		lines = append(lines, "\t"+comment(older, c, was), "#else", "\t"+comment(newer, c, is), "#endif")
	}
	return lines
}

// condition holds on the older kernel and not on the newer: by the version where that is known, else by what the probe defines,
// else it leaves the version to the author. inOrder says that the older is c's old one.
func condition(c results.Change, older, newer string, inOrder bool) []string {
	bound, remark, known := turnVersion(older, newer)
	switch {
	case known || c.Telltale == "":
		return []string{"#if LINUX_VERSION_CODE < " + bound + " /* " + remark + " */"}
	case c.WordNew == inOrder:
		return []string{"/* " + remark + " */", "#ifndef " + probeMacro(c)}
	}
	return []string{"/* " + remark + " */", "#ifdef " + probeMacro(c)}
}

// comment is what a kernel declares, as it stands in C.
func comment(version string, c results.Change, d *results.Decl) string {
	return "/* " + version + ": " + strings.ReplaceAll(saysOf(c, d), "*/", "* /") + " */"
}

// saysOf is a declaration in a few words, or that there is none.
func saysOf(c results.Change, d *results.Decl) string {
	switch {
	case d == nil && c.Ident.Hint != "":
		return "no " + c.Ident.String() + "; the compiler thinks of " + c.Ident.Hint
	case d == nil:
		return "no " + c.Ident.String()
	case d.Form == "header":
		return "#include <" + strings.TrimPrefix(d.File, "include/") + ">"
	}
	return d.Text
}

// turnVersion is where to tell two versions apart, and how sure that is. Mainline changes its interfaces from one series to the
// next, and a point release is as sure where it follows right on the other. Anywhere else, nobody here knows which version it
// was: then bound has question marks in it, for the author to fill in.
func turnVersion(older, newer string) (bound, remark string, known bool) {
	o, n := numbers(older), numbers(newer)
	series := o[0] == n[0] && o[1] == n[1]
	switch {
	case series && n[2] == o[2]+1:
		return kernelVersion(n), "changed in " + newer, true
	case series:
		return fmt.Sprintf("KERNEL_VERSION(%d, %d, ?)", n[0], n[1]), unknownTurn(older, newer), false
	case follows(o, n):
		n[2] = 0
		return kernelVersion(n), "changed between " + older + " and " + newer, true
	}
	return "KERNEL_VERSION(?, ?, 0)", unknownTurn(older, newer), false
}

func unknownTurn(older, newer string) string {
	return fmt.Sprintf("changed somewhere between %s and %s; in which version is not known here", older, newer)
}

// lastOf are the last series of the major versions of Linux.
var lastOf = map[int]int{2: 6, 3: 19, 4: 20, 5: 19, 6: 19}

// follows tells whether n is of the series right after that of o.
func follows(o, n [3]int) bool {
	if last, ok := lastOf[o[0]]; ok && o[1] == last {
		return n[0] == o[0]+1 && n[1] == 0
	}
	return n[0] == o[0] && n[1] == o[1]+1
}

// kernelVersion writes the macro; its last number has one byte (Linux Makefile, filechk_version.h).
func kernelVersion(n [3]int) string {
	return fmt.Sprintf("KERNEL_VERSION(%d, %d, %d)", n[0], n[1], min(n[2], 255))
}

// numbers are the X, Y and Z of a version; what is missing is 0.
func numbers(version string) (n [3]int) {
	if i := strings.IndexAny(version, "-~+ "); i >= 0 {
		version = version[:i]
	}
	for i, part := range strings.SplitN(version, ".", 3) {
		n[i], _ = strconv.Atoi(part)
	}
	return n
}

// probe asks the headers instead of the version, where that can be: distributions take changes over without changing the
// version. itself says that nothing more is needed.
func probe(c results.Change) (line string, itself bool) {
	d := cmp.Or(c.Old, c.New)
	gone := c.What == results.DeclAdded || c.What == results.DeclRemoved
	switch {
	case gone && d.Form == "macro":
		return "#ifdef " + c.Ident.Name + " /* a macro: no version is needed */", true
	case gone && d.Form == "header" && strings.HasSuffix(d.File, "include/"+c.Ident.Name):
		return "#if __has_include(<" + c.Ident.Name + ">) /* no version is needed */", true
	case c.Telltale != "":
		return fmt.Sprintf("# in Kbuild, instead of a version: ccflags-y += $(shell grep -qsw %s $(srctree)/%s && echo -D%s)",
			c.Word, c.Telltale, probeMacro(c)), false
	}
	return "", false
}

// probeMacro is what the probe in the Kbuild defines where the header has the word.
func probeMacro(c results.Change) string {
	name, word := c.Ident.Name, c.Word
	first, _, more := strings.Cut(word, ".")
	switch {
	case word == name, more && c.What != results.DeclChanged:
	case more && first == name && c.WordNew:
		name = "NEW_" + name
	case more && first == name:
		name = "OLD_" + name
	default:
		name += "_" + word
	}
	return "HAVE_" + strings.ToUpper(name)
}

// readUpTo reads at most n bytes of r; what cannot be read is left out.
func readUpTo(r io.Reader, n int64) string {
	data, _ := io.ReadAll(io.LimitReader(r, n))
	return string(data)
}

// below is the path of an artifact as a person opens it.
func below(dir, artifact string) string { return filepath.Join(dir, artifact) }
