package kbuild

import (
	"path"
	"regexp"
	"strings"
)

var (
	// buildFile is the name of a file that a build reads instructions from, codeFile one that a compiler reads.
	buildFile = regexp.MustCompile(`^(?i:gnu)?(?i:makefile|kbuild|configure|dkms\.conf)|^Kconfig|\.(mk|mak|make|inc|in|am|ac|m4|sh|bash|py|pl|awk)$`)
	codeFile  = regexp.MustCompile(`\.(c|h|S|s|inc|rs|lds|dts|dtsi|asm)$`)
	// upward is a path with a .. in it, as make, sh and compilers write one; what a variable names is cut out later.
	upward   = regexp.MustCompile(`(?:\$[({][\w./ -]*[)}]|[\w.+@/~-])*\.\.(?:[\w.+@/-])*`)
	variable = regexp.MustCompile(`^\$[({]([\w.-]*)[^)}]*[)}]`)
	// including are the lines of code that name another file.
	including = regexp.MustCompile(`(?m)^[ \t]*(?:#[ \t]*include|\.incbin|\.include|#!?\[path[ \t]*=|include[_a-z]*!\()[ \t]*\(?"([^"\n]*\.\.[^"\n]*)"`)
	asksGit   = regexp.MustCompile(`\bgit\b`)
	toplevel  = regexp.MustCompile(`--show-(?:toplevel|cdup)|\$\(dir \$[({](?:CURDIR|PWD|src|M|KBUILD_EXTMOD)[)}]\)`)
	// namesKernel are variables that name the kernel's folder.
	namesKernel = regexp.MustCompile(`^(?i)(?:K(?:ERN|DIR|SRC|BUILD_SRC|BUILD_OUTPUT|_?DIR|_?SRC)|LINUX|srctree|objtree|LIB_?MOD)`)
)

// Reference is what the text of a source says of files elsewhere.
type Reference struct {
	Paths []string // with .. in them: from the folder of the text, or from that of the module
	Git   bool     // it may ask git, or read what git keeps
	Top   bool     // it may ask where the whole begins
}

// Refers reads in the text of the file called name which files it refers to that may lie outside of the module's folder. It is a
// look at words: a path that only make or a shell can put together is not found, and one that nobody uses is.
func Refers(name, text string) (ref Reference) {
	base := path.Base(name)
	build := buildFile.MatchString(base) || strings.HasPrefix(text, "#!")
	if codeFile.MatchString(base) {
		for _, m := range including.FindAllStringSubmatch(text, -1) {
			ref.Paths = append(ref.Paths, m[1])
		}
	}
	if !build {
		return ref
	}
	text = comments.ReplaceAllString(strings.ReplaceAll(text, "\\\n", " "), "$1")
	ref.Git, ref.Top = asksGit.MatchString(text), toplevel.MatchString(text)
	for _, word := range upward.FindAllString(text, -1) {
		word = strings.TrimPrefix(strings.TrimPrefix(word, "-I"), "-L")
		if i := strings.Index(word, ".."); i > 0 && word[i-1] != '/' { // =../inc, -iquote../inc
			word = word[i:]
		}
		if m := variable.FindStringSubmatch(word); m != nil {
			if namesKernel.MatchString(m[1]) {
				continue
			}
			word = strings.TrimPrefix(word[len(m[0]):], "/")
		}
		if i := strings.IndexAny(word, "$~"); i >= 0 {
			word = word[:i]
		}
		if strings.HasPrefix(word, "/") || !strings.Contains("/"+word+"/", "/../") {
			continue
		}
		ref.Paths = append(ref.Paths, word)
	}
	return ref
}
