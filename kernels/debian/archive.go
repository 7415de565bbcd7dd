package debian

import (
	"context"
	"errors"
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

// archivesIn finds Debian's archives among the addresses that apt would read. Others use Debian's suite names too, rarely
// more than one of them: the base with most of its suites wins, the first of those. Whatever is chosen here, its index
// must be signed by Debian.
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
