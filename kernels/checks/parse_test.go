package checks

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

// shown is a finding in a line.
func shown(f results.Finding) string {
	return fmt.Sprintf("%s %s %s %s", f.Where, f.Level, f.Kind, f.Message)
}

// parsers are all of them in one form.
var parsers = map[string]func([]byte) ([]results.Finding, []string){
	"checkpatch":   ParseCheckpatch,
	"codespell":    parseCodespell,
	"includecheck": parseIncludes,
	"kernel-doc":   parseKernelDoc,
	"spdx":         parseSPDX,
	"checkstack":   parseStack,
	"compiler":     func(out []byte) ([]results.Finding, []string) { return compilerFindings(out), nil },
	"smatch":       func(out []byte) ([]results.Finding, []string) { return parseSmatch(out), nil },
	"sparse": func(out []byte) ([]results.Finding, []string) {
		found, gaveUp := parseSparse(out)
		return found, slices.DeleteFunc([]string{gaveUp}, func(s string) bool { return s == "" })
	},
	"coccicheck": func(out []byte) ([]results.Finding, []string) {
		c := parseCocci(out)
		return c.found, slices.Concat(c.unread, c.failed)
	},
}

// What the tools said, word for word, of kernels 6.1 and 7.3 in Debian.
var said = []struct {
	name, parser, text string
	want               []string // findings
	unread             []string
}{
	{"a clean file: checkpatch says nothing", "checkpatch", "", nil, nil},
	{"checkpatch", "checkpatch", `fifo.c:8: ERROR:SPACING: space prohibited after that '*' (ctx:ExW)
fifo.c:7: WARNING:AVOID_EXTERNS: externs should be avoided in .c files
fifo.c:12: CHECK:TYPO_SPELLING: 'teh' may be misspelled - perhaps 'the'?
fifo.c total: 1 errors, 1 warnings, 1 checks, 258 lines checked
`, []string{"fifo.c:8 error SPACING space prohibited after that '*' (ctx:ExW)", "fifo.c:7 warning AVOID_EXTERNS externs should be avoided in .c files",
		"fifo.c:12 note TYPO_SPELLING 'teh' may be misspelled - perhaps 'the'?"}, nil},
	{"a line of checkpatch was lost", "checkpatch", "fifo.c:8: ERROR:SPACING: x\nfifo.c total: 2 errors, 0 warnings, 0 checks, 258 lines checked\n",
		[]string{"fifo.c:8 error SPACING x"}, []string{"fifo.c total: 2 errors, 0 warnings, 0 checks, 258 lines checked"}},
	{"checkpatch was cut off", "checkpatch", "fifo.c:8: ERROR:SPACING: x\n", []string{"fifo.c:8 error SPACING x"}, []string{"no sum behind: fifo.c:8"}},
	{"checkpatch died", "checkpatch", "Can't locate Term/ANSIColor.pm in @INC\n", nil, []string{"Can't locate Term/ANSIColor.pm in @INC"}},
	{"codespell", "codespell", "fifo.c:12: teh ==> the\n", []string{"fifo.c:12 warning spelling teh ==> the"}, nil},
	{"includes", "includecheck", "fifo.c: linux/fs.h is included more than once.\n", []string{"fifo.c warning include linux/fs.h is included more than once"}, nil},
	{"no includes", "includecheck", "No duplicate includes found.\n", nil, nil},
	{"kernel-doc in Perl", "kernel-doc", "fifo.c:7: warning: Function parameter or member 'y' not described in 'foo_bar'\n",
		[]string{"fifo.c:7 warning kernel-doc Function parameter or member 'y' not described in 'foo_bar'"}, nil},
	{"kernel-doc in Python", "kernel-doc", "Warning: fifo.c:6 function parameter 'y' not described in 'foo_bar'\n",
		[]string{"fifo.c:6 warning kernel-doc function parameter 'y' not described in 'foo_bar'"}, nil},
	{"kernel-doc died", "kernel-doc", "Traceback (most recent call last):\n", nil, []string{"Traceback (most recent call last):"}},
	{"spdxcheck", "spdx", "/build/x.c: 1:28 Invalid License ID: GPL-zz\n", []string{"/build/x.c:1 error expression Invalid License ID: GPL-zz"}, nil},
	{"a large frame", "checkstack", "0x00000000 fifo_read [fifo]:             \t1104\n0x00000010 small []:\t100\n", []string{"fifo_read warning stack fifo_read takes 1104 bytes of the stack"}, nil},
	{"gcc", "compiler", `  CC [M]  /build/fifo.o
/build/fifo.c: In function ‘fifo_read’:
/build/fifo.c:12:5: warning: unused variable ‘x’ [-Wunused-variable]
   12 | int x;
/build/fifo.c:14:1: error: expected ‘;’ before ‘}’ token
WARNING: modpost: missing MODULE_DESCRIPTION() in fifo.o
`, []string{"/build/fifo.c:12 warning -Wunused-variable unused variable ‘x’", "/build/fifo.c:14 error error expected ‘;’ before ‘}’ token",
		" warning modpost missing MODULE_DESCRIPTION() in fifo.o"}, nil},
	{"sparse beside gcc", "sparse", `  CHECK   /build/fifo.c
/build/fifo.c:30:5: warning: symbol 'foo_zz' was not declared. Should it be static?
/build/fifo.c:31:9: warning: incorrect type in assignment (different base types)
/build/fifo.c:31:9:    expected unsigned int
/build/fifo.c:12:5: warning: unused variable ‘x’ [-Wunused-variable]
`, []string{"/build/fifo.c:30 warning not-static symbol 'foo_zz' was not declared. Should it be static?",
		"/build/fifo.c:31 warning type incorrect type in assignment (different base types)"}, nil},
	{"sparse gave up", "sparse", "./include/linux/x.h:3:1: error: too many errors\n", nil, []string{"too many errors in ./include/linux/x.h"}},
	{"smatch", "smatch", "fifo.c:12 fifo_read() warn: inconsistent indenting\n", []string{"fifo.c:12 warning warn fifo_read() inconsistent indenting"}, nil},
	{"semantic patches", "coccicheck", `== 0 /kernel/scripts/coccinelle/null/deref_null.cocci
/build/fifo.c:12:2-5: ERROR: p is NULL but dereferenced.
== 255 /kernel/scripts/coccinelle/null/badzero.cocci
No OCaml compiler found! Install either ocamlopt or ocamlopt.opt
== 0 /kernel/scripts/coccinelle/api/stream_open.cocci
warning: line 134: should no_llseek be a metavariable?
== 0 /kernel/scripts/coccinelle/misc/minmax.cocci
/build/fifo.c:50:7-8: WARNING opportunity for min()
`, []string{"/build/fifo.c:12 error deref_null p is NULL but dereferenced.", "/build/fifo.c:50 warning minmax opportunity for min()"}, []string{"badzero: No OCaml compiler found! Install either ocamlopt or ocamlopt.opt"}},
}

func TestToolsAreUnderstood(t *testing.T) {
	for _, tc := range said {
		t.Run(tc.name, func(t *testing.T) {
			found, unread := parsers[tc.parser]([]byte(tc.text))
			var lines []string
			for _, f := range found {
				lines = append(lines, shown(f))
			}
			if !slices.Equal(lines, tc.want) {
				t.Errorf("found\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(tc.want, "\n"))
			}
			if !slices.Equal(unread, tc.unread) {
				t.Errorf("not understood %q, want %q", unread, tc.unread)
			}
		})
	}
}

// Whatever a tool says, each finding has a level that is known, and each line of a tool that says nothing but findings is one or is reported.
func FuzzParsers(f *testing.F) {
	for _, tc := range said {
		f.Add([]byte(tc.text))
	}
	f.Fuzz(func(t *testing.T, out []byte) {
		for name, parse := range parsers {
			found, _ := parse(out)
			for _, fd := range found {
				if !slices.Contains(results.Levels, fd.Level) {
					t.Errorf("%s: level %q", name, fd.Level)
				}
				if strings.ContainsAny(fd.Where+fd.Kind, "\n") || fd.Kind == "" {
					t.Errorf("%s: %+v", name, fd)
				}
			}
		}
	})
}

func TestCodeIsWhatIsCompiled(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"a /* strcpy( */ b", "a               b"},
		{"a // strcpy(\nb", "a           \nb"},
		{`f("strcpy(", 'x')`, `f("       ", ' ')`},
		{`f("\"strcpy(")`, `f("         ")`},
		{"a /* never\nends", "a         \n    "},
		{"\"not ended\nb", "\"         \nb"},
	} {
		if got := string(code([]byte(tc.in))); got != tc.want {
			t.Errorf("%q became\n%q, want\n%q", tc.in, got, tc.want)
		}
	}
}

func FuzzCode(f *testing.F) {
	f.Add([]byte(`a /* b */ "c\" // d" 'e' // f`))
	f.Fuzz(func(t *testing.T, text []byte) {
		out := code(text)
		if len(out) != len(text) || strings.Count(string(out), "\n") != strings.Count(string(text), "\n") {
			t.Errorf("%q became %q", text, out)
		}
	})
}

func TestDeprecatedNamesAreThoseOfTheHeadings(t *testing.T) {
	rst := "__deprecated\n------------\nBUG() and BUG_ON()\n------------------\nUse WARN() instead.\n\nstrcpy()\n--------\nThe strscpy()\n\n%p format specifier\n-------------------\n"
	if got, want := deprecatedNames([]byte(rst)), []string{"BUG", "BUG_ON", "strcpy"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestConditionsOnTheVersion(t *testing.T) {
	for line, want := range map[string]bool{
		"#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)": true,
		"# elif RHEL_RELEASE_CODE":                          true,
		"#ifdef HAVE_PROC_OPS":                              true,
		"#ifdef CONFIG_PCI":                                 false,
		"#include <linux/version.h>":                        false,
		"int have = LINUX_VERSION_CODE;":                    false,
	} {
		if got := conditional.MatchString(line); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}
