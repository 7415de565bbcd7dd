package debian

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// archives are the bases of the two archives a suite is read from: the addresses before /dists/.
type archives struct {
	Main     string `json:"main"`
	Security string `json:"security"` // "" where none is known
}

var errNoArchive = errors.New("no Debian archive is known here: this host's apt sources name none; " +
	"set MODMATRIX_DEBIAN_MIRROR (and MODMATRIX_DEBIAN_SECURITY_MIRROR), or mirror under [debian] in modmatrix.toml, to its base address")

// archives finds the addresses: those given, else those of the host's own apt.
func (s *Source) archives(ctx context.Context) (archives, error) {
	given := archives{s.cfg.Mirror, s.cfg.SecurityMirror}
	if given.Main != "" {
		return given, nil
	}
	// print-uris reads every format of sources there is, and neither writes nor connects.
	uris, err := tools.Run(ctx, tools.Command(ctx, "apt-get", "update", "--print-uris"))
	if err != nil {
		return archives{}, err
	}
	found := archivesIn(uris)
	if given.Security != "" {
		found.Security = given.Security
	}
	if found.Main == "" {
		return archives{}, errNoArchive
	}
	return found, nil
}

var (
	indexURI = regexp.MustCompile(`(?m)^'([^' ]+)/dists/([^'/ ]+)/main/binary-[^'/ ]+/Packages[^'/ ]*' `)
	codename = regexp.MustCompile(`^(sid|unstable|experimental|stable|testing|oldstable|oldoldstable|buster|bullseye|bookworm|trixie|forky|duke)(-|$)`)
)

// archivesIn finds Debian's archives among apt's addresses. Others use its suite names too, rarely more than one of them: the base with
// most of its suites wins. Its index must be signed by Debian in any case.
func archivesIn(uris string) archives {
	var a archives
	suites := map[string][]string{}
	var order []string
	for _, m := range indexURI.FindAllStringSubmatch(uris, -1) {
		base, suite := m[1], m[2]
		if !codename.MatchString(suite) {
			continue
		}
		if strings.HasSuffix(suite, "-security") {
			if a.Security == "" {
				a.Security = base
			}
			continue
		}
		if suites[base] == nil {
			order = append(order, base)
		}
		if !slices.Contains(suites[base], suite) {
			suites[base] = append(suites[base], suite)
		}
	}
	for _, base := range order {
		if len(suites[base]) > len(suites[a.Main]) {
			a.Main = base
		}
	}
	return a
}

// sources are the lines of a sources.list. A suite of an archive that is not known is left out.
func (a archives) sources(lines []line, keyring string) string {
	var b strings.Builder
	for _, l := range lines {
		base := a.Main
		if l.security {
			base = a.Security
		}
		if base != "" {
			b.WriteString("deb [arch=" + arch + " signed-by=" + keyring + "] " + base + " " + l.suite + " main\n")
		}
	}
	return b.String()
}

// suite is what a suite's name means: which of the archive's suites are read, and which of those kernels are chosen from.
type suite struct {
	name  string // as the selector says it
	base  string // the suite that a root is made of
	lines []line
}

type line struct {
	suite    string
	security bool // it lies in the security archive
	optional bool // it may be missing
	chosen   bool // kernels may come from it; the others only help out
}

// known are the suites that an error names; others are asked for all the same.
var known = []string{"bullseye", "bookworm", "trixie", "forky", "sid", "experimental", "SUITE-backports", "all"}

// suiteOf spells out a suite's name. A release means itself with its -security and -updates; sid has none of these;
// NAME-backports and the like are parts of a release, and experimental is a part of sid.
func suiteOf(name string) suite {
	base, part, _ := strings.Cut(name, "-")
	switch name {
	case "sid", "unstable":
		return suite{name, "sid", []line{{suite: "sid", chosen: true}}}
	case "experimental", "rc-buggy":
		return suite{name, "sid", []line{{suite: "sid"}, {suite: "experimental", chosen: true}}}
	}
	s := suite{name, base, []line{
		{suite: base},
		{suite: base + "-security", security: true, optional: true},
		{suite: base + "-updates", optional: true},
	}}
	if part != "" && !slices.ContainsFunc(s.lines, func(l line) bool { return l.suite == name }) {
		s.lines = append(s.lines, line{suite: name})
	}
	if strings.HasSuffix(part, "-sloppy") {
		s.lines = append(s.lines, line{suite: strings.TrimSuffix(name, "-sloppy")})
	}
	for i := range s.lines {
		l := &s.lines[i]
		l.chosen = part == "" || l.suite == name
		l.optional = l.optional && l.suite != name
	}
	return s
}

// Archives says where kernels would come from, or how to say it.
func (s *Source) Archives(ctx context.Context) (string, error) {
	a, err := s.archives(ctx)
	if err != nil {
		return "", err
	}
	if a.Security == "" {
		return a.Main + " (no security archive is known: older point releases only)", nil
	}
	return a.Main + ", " + a.Security, nil
}

// Bootstrap says whether roots can be made here, or what is missing.
func (s *Source) Bootstrap(context.Context) (string, error) {
	path, err := exec.LookPath("mmdebstrap")
	if err != nil {
		return "", errors.New("mmdebstrap is missing: apt install mmdebstrap")
	}
	if err := canUnshare(); err != nil {
		return "", err
	}
	if _, err := os.Stat(s.cfg.Keyring); err != nil {
		return "", errors.New("the archive's keyring is missing: apt install debian-archive-keyring")
	}
	return path, nil
}
