// Package api looks identifiers up in the headers of a prepared kernel tree, and compares what two trees say of them: which
// function, macro, member or type came, went, or changed.
//
// It reads C as a person skims it, not as a compiler does: no preprocessor runs, so of several declarations under different
// conditions it gives the likeliest, and what a macro makes up (DECLARE_…, DEFINE_…) it does not see. What it says is a
// hint for whoever mends a module, and decides nothing. This package must never know what is built against a tree.
package api

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// The kinds of identifiers; see results.Ident.
const (
	Name   results.IdentKind = ""       // any name that a header declares
	Member results.IdentKind = "member" // of Ident.Of
	Type   results.IdentKind = "type"   // a struct, union or enum by its tag, or a typedef
	Header results.IdentKind = "header" // a file that is included
	Symbol results.IdentKind = "symbol" // what modpost resolves: an export, in Module.symvers
	// Pointer is a member of a struct that no compiler names, which points to a function: Compare finds the struct.
	Pointer results.IdentKind = "pointer"
)

// Compare looks ids up in both trees, in their order.
func Compare(old, fresh *Headers, ids []results.Ident) []results.Change {
	ids = settle(old, fresh, ids)
	before, after := old.Find(ids), fresh.Find(ids)
	var changes []results.Change
	for i, id := range ids {
		c := results.Change{Ident: id, Old: before[i].best(), New: after[i].best()}
		c.What = compare(before[i].decls, after[i].decls)
		if id.Of != "" && c.New == nil {
			c.Holds = after[i].holder
		}
		findTelltale(old, fresh, &c)
		changes = append(changes, c)
	}
	return changes
}

func compare(before, after []results.Decl) results.Difference {
	switch {
	case len(before) == 0 && len(after) == 0:
		return results.DeclUnseen
	case len(before) == 0:
		return results.DeclAdded
	case len(after) == 0:
		return results.DeclRemoved
	}
	switch old, fresh := before[0], after[0]; {
	case says(old) != says(fresh):
		return results.DeclChanged
	case old.File != fresh.File:
		return results.DeclMoved
	}
	return results.DeclSame
}

// findTelltale finds the header and the word that give away which of two trees it is.
func findTelltale(old, fresh *Headers, c *results.Change) {
	switch {
	case c.Ident.Kind == Header:
	case c.What == results.DeclAdded:
		saysOnly(c, c.New.File, true, old, c.Ident.Name, called(fresh, c.New, c.Ident.Name))
	case c.What == results.DeclRemoved:
		saysOnly(c, c.Old.File, false, fresh, c.Ident.Name, called(old, c.Old, c.Ident.Name))
	case c.What == results.DeclChanged && c.Old.File == c.New.File:
		sides := []struct {
			fresh       bool
			has, lacks  *results.Decl
			here, other *Headers
		}{{true, c.New, c.Old, fresh, old}, {false, c.Old, c.New, old, fresh}}
		for _, s := range sides {
			saysOnly(c, s.has.File, s.fresh, s.other, added(s.has.Text, s.lacks.Text)...)
		}
		for _, s := range sides {
			saysOnly(c, s.has.File, s.fresh, s.other, phrases(s.here, s.has, c.Ident.Name)...)
		}
	}
}

// added are the words of a declaration that another lacks.
func added(has, lacks string) []string {
	theirs := cName.FindAllString(lacks, -1)
	return slices.DeleteFunc(cName.FindAllString(has, -1), func(word string) bool { return keywords[word] || slices.Contains(theirs, word) })
}

var keywords = map[string]bool{"struct": true, "union": true, "enum": true, "const": true, "unsigned": true, "signed": true, "long": true, "short": true,
	"int": true, "char": true, "void": true, "bool": true, "extern": true, "static": true, "inline": true, "volatile": true, "typedef": true, "define": true}

var cName = regexp.MustCompile(`[A-Za-z_]\w{2,}`)

// called is a function's name with the first word of its arguments, as a line of the header has them; a dot stands for the bracket, which make would take for its own.
func called(h *Headers, d *results.Decl, name string) string {
	text, _ := h.read(d.File)
	at := regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\(([A-Za-z_]\w*)`)
	m := at.FindStringSubmatch(d.Text)
	if m == nil || !regexp.MustCompile(`\b`+regexp.QuoteMeta(name)+`\(`+m[1]+`\b`).Match(text) {
		return ""
	}
	return name + "." + m[1]
}

// phrases are a declaration from its name on, as a line of the header has it: first with one word more, then with two …
func phrases(h *Headers, d *results.Decl, name string) (all []string) {
	raw, _ := h.read(d.File)
	at := regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`).FindStringIndex(d.Text)
	if at == nil {
		return nil
	}
	for _, word := range regexp.MustCompile(`\w+`).FindAllStringIndex(d.Text[at[0]:], -1)[1:] {
		words := noWord.ReplaceAllString(d.Text[at[0]:at[0]+word[1]], ".")
		if !regexp.MustCompile(`\b` + words + `\b`).Match(raw) {
			break
		}
		all = append(all, words)
	}
	return all
}

var noWord = regexp.MustCompile(`\W`)

// saysOnly notes the first of words that file has in one tree and, though the other tree has the file, not there.
func saysOnly(c *results.Change, file string, isNew bool, other *Headers, words ...string) {
	text, ok := other.read(file)
	lacks := func(word string) bool { return word != "" && !regexp.MustCompile(`\b`+word+`\b`).Match(text) }
	if i := slices.IndexFunc(words, lacks); ok && i >= 0 && c.Telltale == "" && strings.HasPrefix(file, "include/") && !strings.HasPrefix(file, "include/asm-generic/") {
		c.Telltale, c.Word, c.WordNew = file, words[i], isNew
	}
}

// attributes say nothing of how a thing is used.
var attributes = strings.NewReplacer("extern ", "", "static ", "", "inline ", "", "__always_inline ", "", "__must_check ", "", "notrace ", "", " ", "", "\t", "")

// says is the declaration without what changes nothing for whoever uses it: attributes and white space.
func says(d results.Decl) string {
	if d.Form == "macro" || d.Form == "header" || d.Form == "export" {
		return d.Form + " " + attributes.Replace(d.Text)
	}
	return attributes.Replace(strings.TrimSuffix(d.Text, ";"))
}

// rank orders the forms: a prototype says more than the stub beside it that another configuration takes.
func rank(d results.Decl) int {
	order := []string{"export", "header", "function", "struct", "union", "enum", "typedef", "member", "inline", "variable", "constant", "macro"}
	if i := slices.Index(order, d.Form); i >= 0 {
		return i
	}
	return len(order)
}

// likelier orders declarations of one name: those that a driver includes first.
func likelier(a, b results.Decl) int {
	return cmp.Or(cmp.Compare(place(a.File), place(b.File)), cmp.Compare(rank(a), rank(b)), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
}

// place is how near a header is to a driver: include/linux, then the other subsystems, then what belongs to one architecture.
func place(file string) int {
	switch {
	case strings.HasPrefix(file, "include/linux/"):
		return 0
	case strings.HasPrefix(file, "include/uapi/"), strings.HasPrefix(file, "include/generated/"), strings.HasPrefix(file, "include/asm-generic/"):
		return 2
	case strings.HasPrefix(file, "include/"):
		return 1
	}
	return 3
}
