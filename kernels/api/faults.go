package api

import (
	_ "embed"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// maxFaults bounds the names that one build is asked about: what lacks more lacks a whole subsystem, and the first few show which.
const maxFaults = 12

// fault is one way in which a compiler or modpost says that a name is not what the module takes it for.
type fault struct {
	words *regexp.Regexp
	kind  results.IdentKind
}

// faults are the lines of faults.txt.
var faults = func() (all []fault) {
	for line := range strings.Lines(faultsText) {
		if kind, words, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			all = append(all, fault{regexp.MustCompile(words), results.IdentKind(strings.TrimPrefix(kind, "name"))})
		}
	}
	return all
}()

//go:embed faults.txt
var faultsText string

var plainQuotes = strings.NewReplacer("‘", "'", "’", "'", "`", "'", "“", `"`, "”", `"`)

// Faults finds in what a build printed the names at fault, in the order of their first mention, each once and not more than a
// dozen. It is pure.
func Faults(log string) []results.Ident {
	var ids []results.Ident
	lines := strings.Split(log, "\n")
	for i, line := range lines {
		id, ok := faultIn(plainQuotes.Replace(strings.TrimSpace(line)), lines[i+1:])
		same := func(o results.Ident) bool { return o.Name == id.Name && o.Of == id.Of }
		if !ok || slices.ContainsFunc(ids, same) {
			continue
		}
		if ids = append(ids, id); len(ids) == maxFaults {
			break
		}
	}
	return ids
}

func faultIn(line string, below []string) (results.Ident, bool) {
	if !strings.Contains(line, "rror: ") && !strings.Contains(line, "undefined") && !strings.Contains(line, "note: expected") {
		return results.Ident{}, false
	}
	for _, f := range faults {
		m := f.words.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		group := func(name string) string {
			if i := f.words.SubexpIndex(name); i >= 0 {
				return m[i]
			}
			return ""
		}
		id := results.Ident{Kind: f.kind, Name: group("name"), Of: group("of"), Hint: group("hint")}
		return id, id.Name != ""
	}
	return pointerFault(line, below)
}

// A compiler says of what type a pointer to a function must be, but not in which struct it lies: in the one whose member has that type
// in the new tree, and had the type of the module's function in the old one.

var (
	strangePointer = regexp.MustCompile(`error: (?:initialization of|assignment to|incompatible function pointer types (?:initializing|assigning to)) '(?P<wants>[^']+)'` +
		`(?: [{(]aka '[^']*'[)}])? (?:from incompatible pointer type|with an expression of type|from) '(?P<given>[^']+)'`)
	nearMember = regexp.MustCompile(`near initialization for '[^']*\.(\w+)'`)
	setMember  = regexp.MustCompile(`^ *\d+ \|.*(?:\.|->)(\w+)\s*=(?:[^=]|$)`)
	expected   = regexp.MustCompile(`note: expected '(?P<name>\w+)' \{aka '[^']*\(\*\)`)
	wordOnly   = regexp.MustCompile(`^\w+$`)
)

// maxQuoted is how many lines below an error may show what it is about.
const maxQuoted = 8

// pointerFault finds in a line a pointer to a function of the wrong type, and in those below it the name of the member.
func pointerFault(line string, below []string) (results.Ident, bool) {
	m := strangePointer.FindStringSubmatch(line)
	if m == nil {
		if m = expected.FindStringSubmatch(line); m != nil {
			return results.Ident{Name: m[1]}, true
		}
		return results.Ident{}, false
	}
	if wordOnly.MatchString(m[1]) {
		return results.Ident{Name: m[1]}, true // a typedef
	}
	if _, ok := signature(m[1], ""); !ok {
		return results.Ident{}, false
	}
	name := ""
	for _, line := range below[:min(len(below), maxQuoted)] {
		line = plainQuotes.Replace(line)
		if strings.Contains(line, "error: ") {
			break
		}
		if near := nearMember.FindStringSubmatch(line); near != nil {
			name = near[1]
			break
		}
		if set := setMember.FindStringSubmatch(line); set != nil && name == "" {
			name = set[1]
		}
	}
	return results.Ident{Name: name, Kind: Pointer, Wants: m[1], Given: m[2]}, name != ""
}

// settle replaces each pointer among ids by the member, or the typedef, that changed its type between the two trees, if one is found.
func settle(old, fresh *Headers, ids []results.Ident) []results.Ident {
	var names []string
	for _, id := range ids {
		if id.Kind == Pointer {
			names = append(names, id.Name)
		}
	}
	if len(names) == 0 {
		return ids
	}
	structs := fresh.holders(names)
	settled := slices.Clone(ids)
	for i, id := range ids {
		if id.Kind == Pointer {
			settled[i] = settleOne(old, fresh, id, structs[id.Name])
		}
	}
	return settled
}

func settleOne(old, fresh *Headers, id results.Ident, structs []string) results.Ident {
	members := make([]results.Ident, len(structs))
	for i, s := range structs {
		members[i] = results.Ident{Name: id.Name, Of: s, Kind: Member}
	}
	before, after := old.Find(members), fresh.Find(members)
	types := map[string]results.Ident{} // typedefs, by name
	for i, m := range members {
		was, is := before[i].best(), after[i].best()
		if was == nil || is == nil {
			continue
		}
		if fits(is.Text, id.Name, id.Wants) && fits(was.Text, id.Name, id.Given) {
			return m
		}
		if t := typeWord(is.Text, id.Name); t != "" && t == typeWord(was.Text, id.Name) {
			types[t] = results.Ident{Name: t}
		}
	}
	for _, t := range slices.Sorted(maps.Keys(types)) {
		of := []results.Ident{types[t]}
		was, is := old.Find(of)[0].best(), fresh.Find(of)[0].best()
		if was != nil && is != nil && fits(is.Text, t, id.Wants) && fits(was.Text, t, id.Given) {
			return of[0]
		}
	}
	return id
}

func typeWord(text, name string) string {
	t, ok := strings.CutSuffix(text, " "+name)
	if !ok || !wordOnly.MatchString(t) {
		return ""
	}
	return t
}

// fits reports whether text declares name as a pointer to a function of that type. A function's type is that of a pointer to it.
func fits(text, name, of string) bool {
	a, ok := signature(text, name)
	if !ok {
		return false
	}
	b, ok := signature(of, "")
	if !ok { // clang: int (struct x *)
		if ret, args, cut := strings.Cut(of, "("); cut {
			b, ok = signature(ret+"(*)("+args, "")
		}
	}
	return ok && a == b
}

// signature writes the type of a pointer to a function called name in one way, without the names of its arguments, if text is one.
func signature(text, name string) (plain string, ok bool) {
	text = strings.TrimPrefix(fold(text), "typedef ")
	m := regexp.MustCompile(`^([^()]*)\( ?\* ?` + regexp.QuoteMeta(name) + ` ?\) ?\((.*)\)$`).FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	args := arguments(m[2])
	for i := range args {
		args[i] = argument(args[i])
	}
	return argument(m[1]) + "(*)(" + strings.Join(args, ",") + ")", true
}

// arguments splits at the commas that stand in no brackets.
func arguments(text string) (args []string) {
	depth, from := 0, 0
	for i, c := range text {
		switch c {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case ',':
			if depth == 0 {
				args = append(args, text[from:i])
				from = i + 1
			}
		}
	}
	return append(args, text[from:])
}

var (
	cWord    = regexp.MustCompile(`\w+|\*|\[[^]]*\]|\.\.\.`)
	noType   = regexp.MustCompile(`^(?:__(?:user|rcu|iomem|percpu|must_check|force|bitwise)|restrict|extern|static|volatile)$`)
	intWords = []string{"unsigned", "signed", "long", "short", "int", "char"}
)

func argument(text string) string {
	if strings.Contains(text, "(") {
		return strings.ReplaceAll(text, " ", "")
	}
	var base, ints []string
	stars, isConst := "", ""
	for _, w := range cWord.FindAllString(text, -1) {
		tag := len(base) > 0 && slices.Contains([]string{"struct", "union", "enum"}, base[len(base)-1])
		switch {
		case noType.MatchString(w):
		case w == "const":
			if stars == "" {
				isConst = "const "
			}
		case w == "*" || w[0] == '[':
			stars += "*"
		case slices.Contains(intWords, w) && len(base) == 0 && stars == "":
			ints = append(ints, w)
		case tag || len(base)+len(ints) == 0:
			base = append(base, w)
		} // anything more is the name
	}
	return isConst + strings.Join(append(base, integer(ints)...), " ") + stars
}

// integer writes the words of an integer's type as few and in one order.
func integer(words []string) []string {
	if len(words) == 0 {
		return nil
	}
	var out []string
	for _, w := range intWords {
		for _, o := range words {
			if o == w && w != "signed" && (w != "int" || !slices.ContainsFunc(words, func(x string) bool { return x == "long" || x == "short" })) {
				out = append(out, w)
			}
		}
	}
	if len(out) == 0 || len(out) == 1 && out[0] == "unsigned" {
		out = append(out, "int")
	}
	return out
}
