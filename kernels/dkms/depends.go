package dkms

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"pault.ag/go/debian/dependency"
	"pault.ag/go/debian/version"
)

func debNeeds(ctx context.Context, file string) (needs []string, err error) {
	out, err := exec.CommandContext(ctx, "dpkg-deb", "--field", file, "Depends").Output()
	if err != nil {
		return nil, hostile(file, "says not what it depends on")
	}
	if needs, err = needsOf(string(out)); err != nil {
		return nil, hostile(file, err.Error())
	}
	return needs, nil
}

var (
	// plainNeed is a relation that apt may be asked for as it stands.
	plainNeed = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+[A-Za-z0-9 +.:~|()<>=-]*$`)
	// ofKernel are packages that bring a kernel or what modules for it are built with.
	ofKernel = regexp.MustCompile(`^linux-(headers|image)(-|$)`)
)

// givenAnyway matches dkms, which this package stands for, and of headers and images of kernels, which the tree is.
func givenAnyway(p dependency.Possibility) bool {
	return p.Name == "dkms" || ofKernel.MatchString(p.Name)
}

// Lacking returns which of the package's needs are not met in the tree's root, each as Needs has it; nothing where that cannot be
// known.
func (p *Package) Lacking(tree *kernels.Tree) (needs []string) {
	host, ok := kbuild.Find(tree, "/var/lib/dpkg/status")
	if !ok || len(p.Needs) == 0 {
		return nil
	}
	f, err := os.Open(host)
	if err != nil {
		return nil
	}
	defer f.Close()
	installed := readStatus(bufio.NewReader(f))
	return slices.DeleteFunc(slices.Clone(p.Needs), func(need string) bool {
		parsed, err := dependency.Parse(need)
		return err != nil || len(parsed.Relations) != 1 || slices.ContainsFunc(parsed.Relations[0].Possibilities, installed.meet)
	})
}

// installed holds the versions in which packages are there, by name; what is provided in no certain version has an empty one.
type installed map[string][]string

func (in installed) meet(p dependency.Possibility) bool {
	return slices.ContainsFunc(in[p.Name], func(text string) bool {
		if p.Version == nil {
			return true
		}
		v, err := version.Parse(text)
		return err == nil && text != "" && p.Version.SatisfiedBy(v)
	})
}

// readStatus lists what dpkg has installed, and what that provides (dpkg's status file, deb-control(5)).
func readStatus(r *bufio.Reader) installed {
	all := installed{}
	for in := textproto.NewReader(r); ; {
		fields, err := in.ReadMIMEHeader()
		if strings.HasSuffix(fields.Get("Status"), " installed") {
			name := fields.Get("Package")
			all[name] = append(all[name], fields.Get("Version"))
			for provided := range strings.SplitSeq(fields.Get("Provides"), ",") {
				provided, at, _ := strings.Cut(strings.TrimSpace(provided), " ")
				all[provided] = append(all[provided], strings.Trim(at, "(= )"))
			}
		}
		if err != nil {
			return all
		}
	}
}

// blame excuses a package whose script failed, or found something absent, for want of what it says it needs.
func (p *Package) blame(err error, tree *kernels.Tree) error {
	var fault *kbuild.Error
	if !errors.As(err, &fault) {
		return err
	}
	absent := strings.HasSuffix(fault.Reason, "not found") || strings.HasSuffix(fault.Reason, "No such file or directory")
	lacking := p.Lacking(tree)
	if len(lacking) == 0 || !ofScript(fault) && !absent {
		return err
	}
	return fmt.Errorf("the root for %s lacks %s, which the package depends on; without, %v", tree.Target.Release, strings.Join(lacking, " and "), fault)
}

// lackNotes says what a package was built without. Where its root could be given it, it was.
func (p *Package) lackNotes(tree *kernels.Tree) (lines []string) {
	if lacking := p.Lacking(tree); len(lacking) > 0 {
		lines = append(lines, "built without "+strings.Join(lacking, " and ")+", which it depends on and the root has not")
	}
	return lines
}

func ofScript(fault *kbuild.Error) bool {
	return strings.HasPrefix(fault.Reason, "PRE_BUILD ") || strings.HasPrefix(fault.Reason, "POST_BUILD ")
}
