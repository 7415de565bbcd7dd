package dkms

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"pault.ag/go/debian/dependency"
)

// debNeeds answers what a Debian package depends on besides dkms itself, each with its alternatives.
func debNeeds(ctx context.Context, file string) ([][]string, error) {
	out, err := exec.CommandContext(ctx, "dpkg-deb", "--field", file, "Depends").Output()
	if err != nil {
		return nil, hostile(file, "says not what it depends on")
	}
	parsed, err := dependency.Parse(strings.TrimSpace(string(out)))
	if err != nil {
		return nil, hostile(file, "says not what it depends on: "+clean(err.Error()))
	}
	var needs [][]string
	for _, relation := range parsed.Relations {
		var names []string
		for _, p := range relation.Possibilities {
			names = append(names, p.Name)
		}
		if len(names) > 0 && !slices.Contains(names, "dkms") {
			needs = append(needs, names)
		}
	}
	return needs, nil
}

// lacking answers which of the package's needs are not installed in the tree's root, nothing where that cannot be told.
func (p *Package) lacking(tree *kernels.Tree) (names []string) {
	host, ok := kbuild.Find(tree, "/var/lib/dpkg/status")
	if !ok || len(p.Needs) == 0 {
		return nil
	}
	f, err := os.Open(host)
	if err != nil {
		return nil
	}
	defer f.Close()
	installed := readStatus(bufio.NewScanner(f))
	for _, need := range p.Needs {
		if !slices.ContainsFunc(need, func(name string) bool { return installed[name] }) {
			names = append(names, need[0])
		}
	}
	return names
}

// readStatus lists what dpkg has installed, and what that provides (dpkg's status file, deb-control(5)).
func readStatus(lines *bufio.Scanner) map[string]bool {
	lines.Buffer(nil, 1<<20)
	installed, stanza, here := map[string]bool{}, []string(nil), false
	end := func() {
		for _, name := range stanza {
			installed[name] = installed[name] || here
		}
		stanza, here = nil, false
	}
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "":
			end()
		case "Package":
			stanza = append(stanza, value)
		case "Status":
			here = strings.HasSuffix(value, " installed")
		case "Provides":
			for name := range strings.SplitSeq(value, ",") {
				name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
				stanza = append(stanza, name)
			}
		}
	}
	end()
	return installed
}

// blame takes the blame off a package that failed for want of what it says it needs: a script of its own, or something that is not
// there. What a compiler has against its source is its own.
func (p *Package) blame(err error, tree *kernels.Tree) error {
	var fault *kbuild.Error
	if !errors.As(err, &fault) {
		return err
	}
	absent := strings.HasSuffix(fault.Reason, "not found") || strings.HasSuffix(fault.Reason, "No such file or directory")
	lacking := p.lacking(tree)
	if len(lacking) == 0 || !ofScript(fault) && !absent {
		return err
	}
	return fmt.Errorf("the root for %s lacks %s, which the package depends on; without, %v", tree.Target.Release, strings.Join(lacking, " and "), fault)
}

// ofScript tells whether a script of the package failed, and not its make.
func ofScript(fault *kbuild.Error) bool {
	return strings.HasPrefix(fault.Reason, "PRE_BUILD ") || strings.HasPrefix(fault.Reason, "POST_BUILD ")
}
