package explain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/api"
	"github.com/modmatrix/modmatrix/results"
)

// guard suggests lines that distinguish the two kernels, for each name by itself: not all need have changed at once. good is the
// version on which the module was built. What belongs into either branch only the author knows.
func guard(changes []results.Change, good, bad string) (lines []string) {
	older, newer := good, bad
	inOrder := results.CompareVersions(good, bad) <= 0
	if !inOrder {
		older, newer = bad, good
	}
	for _, c := range changes {
		if c.What == results.DeclSame || c.What == results.DeclUnseen {
			continue
		}
		if c.What == results.DeclMoved && c.Ident.Kind == api.Header {
			lines = append(lines, movedHeader(c, older, newer, inOrder)...)
			continue
		}
		line, itself := probe(c)
		if line != "" {
			lines = append(lines, line)
		}
		if itself {
			continue
		}
		was, is := c.Old, c.New
		if !inOrder {
			was, is = is, was
		}
		lines = append(lines, condition(c, older, newer, inOrder)...)
		lines = append(lines, "\t"+comment(older, c, was), "#else", "\t"+comment(newer, c, is), "#endif")
	}
	return lines
}

// condition holds on the older kernel and not on the newer: by the version where that is known, else by what the probe defines,
// else it leaves the version to the author. inOrder says that the older is c's old one.
func condition(c results.Change, older, newer string, inOrder bool) []string {
	bound, remark, known := changedAt(older, newer)
	switch {
	case known || c.Telltale == "":
		return []string{"#if LINUX_VERSION_CODE < " + bound + " /* " + remark + " */"}
	case c.WordNew == inOrder:
		return []string{"/* " + remark + " */", "#ifndef " + probeMacro(c)}
	}
	return []string{"/* " + remark + " */", "#ifdef " + probeMacro(c)}
}

func comment(version string, c results.Change, d *results.Decl) string {
	text := ""
	switch {
	case d == nil && c.Ident.Hint != "":
		text = "no " + c.Ident.String() + "; the compiler thinks of " + c.Ident.Hint
	case d == nil:
		text = "no " + c.Ident.String()
	case d.Form == "header":
		text = "#include <" + includable(d.File) + ">"
	default:
		text = d.Text
	}
	return "/* " + version + ": " + strings.ReplaceAll(text, "*/", "* /") + " */"
}

// includable is how a driver includes a header: those that architectures and user space share have a name of their own for that.
func includable(file string) string {
	_, name, _ := strings.Cut("/"+file, "/include/")
	name = strings.TrimPrefix(name, "uapi/")
	if rest, ok := strings.CutPrefix(name, "asm-generic/"); ok {
		name = "asm/" + rest
	}
	return name
}

// movedHeader asks for the newer kernel's header itself: no version is needed.
func movedHeader(c results.Change, older, newer string, inOrder bool) []string {
	was, is := c.Old, c.New
	if !inOrder {
		was, is = is, was
	}
	return []string{"#if __has_include(<" + includable(is.File) + ">) /* no version is needed */",
		"\t" + comment(newer, c, is), "#else", "\t" + comment(older, c, was), "#endif"}
}

// changedAt is the version that lies between two others, and how sure that is. Mainline changes its interfaces from one series to
// the next, and a point release is as sure where it follows right on the other. Anywhere else the version is not known: then
// bound has question marks in it, for the author to fill in.
func changedAt(older, newer string) (bound, remark string, known bool) {
	o, n := numbers(older), numbers(newer)
	unknown := fmt.Sprintf("changed somewhere between %s and %s; in which version is not known here", older, newer)
	series := o[0] == n[0] && o[1] == n[1]
	switch {
	case series && n[2] == o[2]+1:
		return kernelVersion(n), "changed in " + newer, true
	case series:
		return fmt.Sprintf("KERNEL_VERSION(%d, %d, ?)", n[0], n[1]), unknown, false
	case follows(o, n):
		n[2] = 0
		return kernelVersion(n), "changed between " + older + " and " + newer, true
	}
	return "KERNEL_VERSION(?, ?, 0)", unknown, false
}

// lastOf are the last series of the major versions of Linux.
var lastOf = map[int]int{2: 6, 3: 19, 4: 20, 5: 19, 6: 19}

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

func numbers(version string) (n [3]int) {
	_, _ = fmt.Sscanf(version, "%d.%d.%d", &n[0], &n[1], &n[2])
	return n
}

// probe asks the headers instead of the version, since distributions backport. itself says that nothing more is needed.
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

// Names are what the build of a record, whose artifacts lie in dir, did not find as it expected it.
func Names(rec results.Record, dir string) []results.Ident {
	return api.Faults(buildLog(rec, dir) + "\n" + rec.Reason)
}

// Target is a record's kernel as far as the record describes it.
func Target(t results.Target) kernels.Target {
	return kernels.Target{Release: t.Release, Version: t.Version, Arch: t.Arch, Flavour: t.Flavour, Profile: t.Profile, Source: t.Source}
}

// Compare says how the headers of two kernels differ in names. Both must be in the store; stored are sources of an offline Spec.
func Compare(ctx context.Context, stored map[string]harness.Source, old, fresh kernels.Target, names []results.Ident) ([]results.Change, error) {
	var found [2]*api.Headers
	for i, t := range []kernels.Target{old, fresh} {
		tree, err := storedTree(ctx, stored, t)
		if err == nil {
			found[i], err = api.Open(tree)
		}
		if err != nil {
			return nil, fmt.Errorf("the headers of %s cannot be read: %w", harness.Label(t), err)
		}
	}
	return api.Compare(found[0], found[1], names), nil
}

// storedTree is a tree that is there already. It downloads and compiles nothing.
func storedTree(ctx context.Context, stored map[string]harness.Source, t kernels.Target) (*kernels.Tree, error) {
	kind, _ := t.Origin()
	source := stored[kind]
	if source == nil || kind == "git" || kind == "tar" {
		return nil, fmt.Errorf("kernels of %q are not kept as headers", kind)
	}
	if len(t.Packages) == 0 {
		var err error
		if t, err = resolveAgain(ctx, source, t); err != nil {
			return nil, err
		}
	}
	return source.Fetch(ctx, t, func(kernels.Progress) {})
}

func resolveAgain(ctx context.Context, source harness.Source, t kernels.Target) (kernels.Target, error) {
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
