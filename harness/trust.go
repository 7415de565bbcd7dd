package harness

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/results"
)

// trust is the one line that says what somebody else's module is, before anything of it is run, and what is done with it. There is none
// for a folder: that is the user's own, or has become it.
func (p *Plan) trust() []string {
	pkg := p.in.module
	switch {
	case len(p.Spec.Prebuilt) > 0:
		return []string{results.Plain(strings.Join(p.Spec.Prebuilt, ", ") + ": built elsewhere, taken as it is" + p.runs())}
	case pkg.Kind == dkms.Folder:
		return nil
	}
	var is []string
	switch b := p.Spec.Bundle; {
	case b != nil:
		is = append(is, "a bundle", "sha256:"+b.SHA256, "unsigned", "made by "+b.Tool)
	case pkg.Revision != "":
		is = append(is, "commit "+pkg.Revision)
	default:
		is = append(is, map[dkms.Kind]string{dkms.Deb: "a package", dkms.Archive: "a dkms archive", dkms.Tarball: "an archive"}[pkg.Kind])
		if sum, err := kernels.FileSHA256(p.Spec.Module); err == nil {
			is = append(is, "sha256:"+sum)
		}
		is = append(is, "its signature, if it has one, was not looked at")
	}
	line := fmt.Sprintf("%s is %s: its source (%s) is built in the sandbox", p.Spec.Module, strings.Join(is, ", "), short(p.Module.SourceDigest))
	return []string{results.Plain(line + p.runs())}
}

// runs says where what was built is loaded.
func (p *Plan) runs() string {
	text := " and loaded in guests, and nothing of it runs on this machine itself"
	here := slices.ContainsFunc(p.Targets, func(t kernels.Target) bool { source, _ := t.Origin(); return source == kernels.Here })
	switch {
	case p.Spec.BuildOnly:
		text = ", and nothing of it runs elsewhere"
	case here && len(p.Targets) > 1:
		text = ", loaded in guests AND INTO THE KERNEL OF THIS MACHINE, as -k here asks, where its suites run as root"
	case here:
		text = " and loaded INTO THE KERNEL OF THIS MACHINE, as -k here asks, where its suites run as root"
	}
	if b := p.Spec.Bundle; b != nil && b.Ignored != "" {
		text += "; its " + b.Ignored
	}
	return text
}

// short is the beginning of a digest: enough to recognise it.
func short(digest string) string {
	const most = len("sha256:") + 12
	if len(digest) > most {
		return digest[:most] + "…"
	}
	return digest
}
