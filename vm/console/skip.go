package console

import (
	"embed"
	"regexp"
	"slices"
	"strings"
)

// Frames that many bugs share say nothing of any of them. The lists hold function names without their leading
// underscores; "x*" is every name that begins with x, "*x" one that ends in it, "*x*" one that holds it, "#" a comment.
//
//go:embed names
var nameLists embed.FS

type names struct {
	exact                     map[string]bool
	prefixes, suffixes, parts []string
}

func newNames(list string) names {
	text, err := nameLists.ReadFile("names/" + list + ".txt")
	if err != nil {
		panic(err) // built without it
	}
	n := names{exact: map[string]bool{}}
	for _, word := range strings.Fields(commentRE.ReplaceAllString(string(text), "")) {
		head, tail := strings.HasPrefix(word, "*"), strings.HasSuffix(word, "*")
		switch word = strings.Trim(word, "*"); {
		case head && tail:
			n.parts = append(n.parts, word)
		case head:
			n.suffixes = append(n.suffixes, word)
		case tail:
			n.prefixes = append(n.prefixes, word)
		default:
			n.exact[word] = true
		}
	}
	return n
}

var commentRE = regexp.MustCompile(`(?m)^#.*`)

// has reports whether the list names a function. In a module only whole names count: what a module calls
// "check_ring" is its own, whatever the kernel's checkers are called.
func (n names) has(f Frame) bool {
	name := strings.TrimLeft(f.Function, "_")
	anyOf := func(list []string, matches func(name, word string) bool) bool {
		return slices.ContainsFunc(list, func(word string) bool { return matches(name, word) })
	}
	return n.exact[name] || f.Module == "" &&
		(anyOf(n.prefixes, strings.HasPrefix) || anyOf(n.suffixes, strings.HasSuffix) || anyOf(n.parts, strings.Contains))
}

var skipNames = newNames("skip")

func skipped(f Frame) bool { return skipNames.has(f) }
