package dkms

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"mvdan.cc/sh/v3/syntax"
)

// unfilled are the names that stand in a template of a dkms.conf for what its author's installer fills in: @NAME@, __NAME, %NAME%,
// #NAME#, {{name}}. Macros of a compiler's command line look like the second, and are none.
var unfilled = regexp.MustCompile(`-[DU]__[A-Z]\w*|(@[A-Za-z_]\w*@|__[A-Z][A-Z0-9_]+|%[A-Z][A-Z_]+%|#[A-Z][A-Z_]+#|\{\{ *\w+ *\}\})`)

// checkFilled refuses a dkms.conf that is a template. What stands for the version alone is filled in before.
func (p *Package) checkFilled(text []byte) error {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	file := parseConf(text)
	if file == nil {
		return nil // bash will say what is wrong
	}
	var refused error
	syntax.Walk(file, func(n syntax.Node) bool {
		a, ok := n.(*syntax.Assign)
		if !ok || a.Name == nil || !slices.Contains(directives, a.Name.Value) || refused != nil {
			return refused == nil
		}
		for _, m := range unfilled.FindAllStringSubmatch(string(text[a.Pos().Offset():a.End().Offset()]), -1) {
			if m[1] != "" && m[1] != p.holder {
				refused = &kbuild.SourceError{Path: filepath.Join(p.Source, ConfName), Problem: fmt.Sprintf("is a template: %s has %s, which is not filled in", a.Name.Value, m[1]),
					Cure: "fill it in as its author's installer does, or give the package that this makes"}
				break
			}
		}
		return refused == nil
	})
	return refused
}

// parseConf is a dkms.conf, with LF at the end of its lines, as bash reads it; nil where that is not bash.
func parseConf(text []byte) *syntax.File {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(bytes.NewReader(text), ConfName)
	if err != nil {
		return nil
	}
	return file
}

// lacking returns an error of a dkms.conf that was evaluated without a program that it runs, in place of what dkms would refuse it
// for, if that may be why: the root lacks it, and the file says so or throws away what is said.
func (p *Package) lacking(tree *kernels.Tree, said string, refused *kbuild.Error) error {
	lacks := kbuild.Lacking(tree, said)
	text, err := readConfFile(p.Source)
	if err == nil && len(lacks) == 0 {
		for _, program := range substituted(text) {
			if _, known := kernels.PackageOf(program); known && !kbuild.HasProgram(tree, program) {
				lacks = append(lacks, kbuild.Lack{Kind: kbuild.LackProgram, Name: program})
			}
		}
	}
	if len(lacks) == 0 {
		return refused
	}
	return fmt.Errorf("evaluate %s for %s: %w", ConfName, tree.Target.Release, &kbuild.LackError{Lacks: lacks, Fault: refused.Reason})
}

// substituted are the programs whose output a dkms.conf takes: $(git describe).
func substituted(text []byte) (programs []string) {
	file := parseConf(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
	if file == nil {
		return nil
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		if s, ok := n.(*syntax.CmdSubst); ok {
			syntax.Walk(s, func(n syntax.Node) bool {
				if call, ok := n.(*syntax.CallExpr); ok && len(call.Args) > 0 && !slices.Contains(programs, call.Args[0].Lit()) {
					programs = append(programs, call.Args[0].Lit())
				}
				return true
			})
		}
		return true
	})
	return programs
}
