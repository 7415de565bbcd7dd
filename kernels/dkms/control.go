package dkms

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/textproto"
	"os"
	"slices"
	"strings"

	"pault.ag/go/debian/dependency"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results/arch"
)

// controlFile says of a source what packages Debian makes of it, and what each depends on.
const controlFile = "debian/control"

// debArch is this machine's: what a package depends on is installed in a root of its kind, whatever is built there.
var debArch, _ = dependency.ParseArch(arch.Host().Debian)

// learnNeeds takes what the source's -dkms package depends on from its debian/control, if it has one. What that package is made
// with (Build-Depends) is no need of who builds the module.
func (p *Package) learnNeeds() error {
	root, err := os.OpenRoot(p.Source)
	if err != nil {
		return fmt.Errorf("open source: %w", err)
	}
	defer root.Close()
	text, err := kernels.ReadRegular(root, controlFile, maxConf)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		p.Needs, err = readControl(text)
	}
	if err != nil {
		p.Notes = append(p.Notes, controlFile+" is not read: "+clean(err.Error()))
	}
	return nil
}

// readControl returns what the -dkms packages in a debian/control depend on (deb-src-control(5)): paragraphs of fields, which are
// those of a MIME header but for the comments.
func readControl(text []byte) (needs []string, err error) {
	var plain bytes.Buffer
	for line := range bytes.Lines(text) {
		if line[0] != '#' {
			plain.Write(line)
		}
	}
	for in := textproto.NewReader(bufio.NewReader(&plain)); ; {
		fields, err := in.ReadMIMEHeader()
		if strings.HasSuffix(fields.Get("Package"), "-dkms") {
			more, err := needsOf(fields.Get("Depends"))
			if err != nil {
				return nil, err
			}
			needs = append(needs, more...)
		}
		switch {
		case errors.Is(err, io.EOF):
			slices.Sort(needs)
			return slices.Compact(needs), nil
		case err != nil:
			return nil, err
		}
	}
}

// needsOf reads a field Depends: one relation each, without dkms itself, what is for other architectures, and what is only
// filled in when the package is made: what debhelper finds out, and packages of the same source.
func needsOf(field string) (needs []string, err error) {
	parsed, err := dependency.Parse(strings.TrimSpace(field))
	if err != nil {
		return nil, errors.New("says not what it depends on: " + clean(err.Error()))
	}
	for _, relation := range parsed.Relations {
		var kept dependency.Relation
		for _, p := range relation.Possibilities {
			filled := p.Substvar || p.Version != nil && strings.Contains(p.Version.Number, "${")
			if !filled && (p.Architectures == nil || p.Architectures.Matches(debArch)) {
				p.Architectures, p.StageSets = nil, nil
				kept.Possibilities = append(kept.Possibilities, p)
			}
		}
		if len(kept.Possibilities) == 0 || slices.ContainsFunc(relation.Possibilities, givenAnyway) {
			continue
		}
		need := kept.String()
		if !plainNeed.MatchString(need) {
			return nil, errors.New("depends on " + clean(need) + ", which is no package's name")
		}
		needs = append(needs, need)
	}
	return needs, nil
}
