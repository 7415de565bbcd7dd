package dkms

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

func readConfFile(dir string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	defer root.Close()
	text, err := kernels.ReadRegular(root, ConfName, maxConf)
	if err != nil {
		return nil, &kbuild.SourceError{Path: filepath.Join(dir, ConfName), Problem: "cannot be read: " + clean(err.Error()), Cure: "make it a file of at most 1 MiB"}
	}
	return text, nil
}

// identify learns the package's name and version from what its dkms.conf says plainly. What only running it would show stays
// empty until Evaluate.
func (p *Package) identify() error {
	root, err := os.OpenRoot(p.Source)
	if err != nil {
		return fmt.Errorf("open source: %w", err)
	}
	info, err := root.Stat(ConfName)
	root.Close()
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil
	}
	if err != nil {
		return &kbuild.SourceError{Path: filepath.Join(p.Source, ConfName), Problem: "cannot be opened: " + clean(err.Error()), Cure: "make it a file of the source"}
	}
	text, err := readConfFile(p.Source)
	if err != nil {
		return err
	}
	p.HasConf = true
	p.Name, p.Version = PlainIdentity(text)
	if placeholder.MatchString(p.Version) {
		p.holder, p.Version = p.Version, versionOf(p.Source, p.Name)
		p.Notes = append(p.Notes, fmt.Sprintf("%s is a template: PACKAGE_VERSION is %s until it is filled in, and %s stands for it here", ConfName, p.holder, p.Version))
	}
	if bytes.Contains(text, []byte("\r\n")) {
		p.Notes = append(p.Notes, ConfName+" has lines that end in CR LF: dkms takes the CR off its values, but bash trips over it in if, for and case")
	}
	if err := p.checkFilled(text); err != nil {
		return err
	}
	for directive, name := range map[string]string{"PACKAGE_NAME": p.Name, "PACKAGE_VERSION": p.Version} {
		if err := checkName(directive, name); name != "" && err != nil {
			return &kbuild.SourceError{Path: filepath.Join(p.Source, ConfName), Problem: err.Error(), Cure: "use letters, digits and . _ + ~ -"}
		}
	}
	return nil
}

func versionOf(dir, name string) string {
	if version, ok := strings.CutPrefix(filepath.Base(dir), name+"-"); ok && checkName("", version) == nil {
		return version
	}
	return "0"
}

// PlainIdentity reads of the text of a dkms.conf PACKAGE_NAME and PACKAGE_VERSION where they are assigned once, at the top level, from text and from
// variables that are.
func PlainIdentity(text []byte) (name, version string) {
	file := parseConf(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
	if file == nil {
		return "", ""
	}
	known, assigned := map[string]string{}, map[string]int{}
	for _, statement := range file.Stmts {
		call, ok := statement.Cmd.(*syntax.CallExpr)
		if !ok || len(call.Args) > 0 {
			continue
		}
		for _, a := range call.Assigns {
			if value, ok := plainValue(a, known); ok {
				known[a.Name.Value] = value
			} else {
				delete(known, a.Name.Value)
			}
		}
	}
	syntax.Walk(file, func(n syntax.Node) bool { // more than once, or where it depends on something
		if a, ok := n.(*syntax.Assign); ok && a.Name != nil {
			if assigned[a.Name.Value]++; assigned[a.Name.Value] > 1 {
				delete(known, a.Name.Value)
			}
		}
		return true
	})
	return known["PACKAGE_NAME"], known["PACKAGE_VERSION"]
}

// plainValue is what an assignment gives when nothing has to be run to know it.
func plainValue(a *syntax.Assign, known map[string]string) (string, bool) {
	if a.Append || a.Index != nil || a.Array != nil || a.Naked {
		return "", false
	}
	if a.Value == nil {
		return "", true
	}
	plain := true
	syntax.Walk(a.Value, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst, *syntax.ArithmExp, *syntax.ProcSubst, *syntax.ExtGlob:
			plain = false
		case *syntax.ParamExp:
			_, have := known[n.Param.Value]
			plain = plain && have && n.Exp == nil && n.Repl == nil && n.Slice == nil && n.Index == nil
		}
		return plain
	})
	if !plain {
		return "", false
	}
	var pairs []string
	for name, value := range known {
		pairs = append(pairs, name+"="+value)
	}
	value, err := expand.Literal(&expand.Config{Env: expand.ListEnviron(pairs...)}, a.Value)
	if err != nil || strings.ContainsAny(value, "$`\\\"") { // dkms expands what is left a second time
		return "", false
	}
	return value, true
}
