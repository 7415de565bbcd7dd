package api

import (
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// maxFaults bounds the names that one build is asked about: what lacks more lacks a whole subsystem, and the first few show which.
const maxFaults = 12

// fault is one way in which a compiler or modpost says that a name is not what the module takes it for.
type fault struct {
	words *regexp.Regexp // its group name is the name, of the struct that it is a member of, hint another name
	kind  results.IdentKind
}

// The words of gcc, clang and modpost. Quotes are made plain before.
var faults = []fault{
	{words: regexp.MustCompile(`error: implicit declaration of function '(?P<name>\w+)'(?:.*did you mean '(?P<hint>\w+)')?`)},
	{words: regexp.MustCompile(`error: call to undeclared (?:library )?function '(?P<name>\w+)'`)},
	{words: regexp.MustCompile(`error: '(?P<of>(?:struct|union) \w+)'\}? has no member named '(?P<name>\w+)'(?:.*did you mean '(?P<hint>\w+)')?`), kind: Member},
	{words: regexp.MustCompile(`error: '(?:const )?\w+' \{aka '(?:const )?(?P<of>(?:struct|union) \w+)'\} has no member named '(?P<name>\w+)'(?:.*did you mean '(?P<hint>\w+)')?`), kind: Member},
	{words: regexp.MustCompile(`error: no member named '(?P<name>\w+)' in '(?P<of>(?:struct|union) \w+)'`), kind: Member},
	{words: regexp.MustCompile(`error: field designator '(?P<name>\w+)' does not refer to any field in type '(?:const )?(?P<of>(?:struct|union) \w+)'`), kind: Member},
	{words: regexp.MustCompile(`error: too (?:few|many) arguments to function (?:call to )?'(?P<name>\w+)'`)},
	{words: regexp.MustCompile(`error: macro "(?P<name>\w+)" (?:passed|requires) \d+ arguments?`)},
	{words: regexp.MustCompile(`error: (?:passing argument \d+ of|incompatible type for argument \d+ of) '(?P<name>\w+)'`)},
	{words: regexp.MustCompile(`error: conflicting types for '(?P<name>\w+)'`)},
	{words: regexp.MustCompile(`error: redefinition of '(?P<name>\w+)'`)},
	{words: regexp.MustCompile(`error: static declaration of '(?P<name>\w+)' follows non-static`)},
	{words: regexp.MustCompile(`error: unknown type name '(?P<name>\w+)'(?:.*did you mean '(?P<hint>\w+)')?`)},
	{words: regexp.MustCompile(`error: '(?P<name>\w+)' undeclared(?:.*did you mean '(?P<hint>\w+)')?`)},
	{words: regexp.MustCompile(`error: use of undeclared identifier '(?P<name>\w+)'(?:.*did you mean '(?P<hint>\w+)')?`)},
	{words: regexp.MustCompile(`error: (?:invalid use of undefined type|invalid application of 'sizeof' to incomplete type) '(?:const )?(?:struct|union|enum) (?P<name>\w+)'`), kind: Type},
	{words: regexp.MustCompile(`error: (?:variable|field) '\w+' has (?:initializer but )?incomplete type(?: '(?:struct|union|enum) (?P<name>\w+)')?`), kind: Type},
	{words: regexp.MustCompile(`error: incomplete definition of type '(?:const )?(?:struct|union|enum) (?P<name>\w+)'`), kind: Type},
	{words: regexp.MustCompile(`fatal error: '?(?P<name>[\w./+-]+\.h)'?(?:: No such file or directory| file not found)`), kind: Header},
	{words: regexp.MustCompile(`modpost: (?:missing MODULE_LICENSE|.*?)"(?P<name>\w+)" \[[^]]*\] undefined!`), kind: Symbol},
	{words: regexp.MustCompile(`(?:modpost: .*?: )symbol '(?P<name>\w+)' undefined!`), kind: Symbol},
	{words: regexp.MustCompile(`undefined symbol (?P<name>\w+)`), kind: Symbol},
}

// plainQuotes makes gcc's quotes those of its C locale.
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
