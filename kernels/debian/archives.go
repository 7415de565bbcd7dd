package debian

import (
	"cmp"
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// archives are the bases of the two archives a suite is read from: the addresses before /dists/.
type archives struct {
	Main     string `json:"main"`
	Security string `json:"security"` // "" where none is known
}

var errNoArchive = errors.New("no Debian archive is known here: neither this host's apt sources nor mmdebstrap name one; " +
	"set MODMATRIX_DEBIAN_MIRROR (and MODMATRIX_DEBIAN_SECURITY_MIRROR), or mirror under [debian] in modmatrix.toml, to its base address")

// archives finds the addresses: those given, else those of the host's own apt, else the tools' default.
func (s *Source) archives(ctx context.Context) (found archives, byDefault bool, err error) {
	given := archives{s.cfg.Mirror, s.cfg.SecurityMirror}
	if given.Main != "" {
		return given, false, nil
	}
	// print-uris reads every format of sources there is, and neither writes nor connects.
	uris, err := tools.Run(ctx, tools.Command(ctx, "apt-get", "update", "--print-uris"))
	if err != nil {
		return archives{}, false, err
	}
	if found = archivesIn(uris); found.Main == "" {
		byDefault = true
		if found, err = defaultArchives(ctx); err != nil {
			return archives{}, false, err
		}
	}
	found.Security = cmp.Or(given.Security, found.Security)
	return found, byDefault, nil
}

// defaultArchives are those of mmdebstrap where nobody names one. It writes them down as sources for apt, and then a hook shows them
// and ends it: it has connected to nobody.
func defaultArchives(ctx context.Context) (archives, error) {
	mode := "--mode=chrootless" // the only one that needs no rights
	if os.Geteuid() == 0 {
		mode = "--mode=root"
	}
	var uris strings.Builder
	ask := tools.Command(ctx, "mmdebstrap", mode, "--variant=custom", "--format=null", "--architectures="+build.Debian,
		`--setup-hook=APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get update --print-uris; exit 1`, "stable", "-")
	ask.Stdout, ask.Stderr = &uris, &uris // what a hook says goes to the latter
	_, err := tools.Run(ctx, ask)
	if found := archivesIn(uris.String()); found.Main != "" {
		return found, nil
	}
	if _, ran := errors.AsType[*kernels.ToolError](err); ran || err == nil {
		err = errNoArchive
	}
	return archives{}, err
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

// sources are the lines of a sources.list for these architectures. A suite of an archive that is not known is left out.
func (a archives) sources(lines []line, keyring string, of ...string) string {
	var b strings.Builder
	for _, l := range lines {
		base := a.Main
		if l.security {
			base = a.Security
		}
		if base != "" {
			these := of
			if l.own {
				these = of[:1]
			}
			b.WriteString("deb [arch=" + strings.Join(these, ",") + " signed-by=" + keyring + "] " + base + " " + l.suite + " main" + l.more + "\n")
		}
	}
	return b.String()
}

// Archives says where kernels would come from, or how to say it.
func (s *Source) Archives(ctx context.Context) (string, error) {
	a, byDefault, err := s.archives(ctx)
	if err != nil {
		return "", err
	}
	text := a.Main + ", " + a.Security
	if a.Security == "" {
		text = a.Main + " (no security archive is known: older point releases only)"
	}
	if byDefault {
		text += " (mmdebstrap's default: the sources of this host name no archive of Debian)"
	}
	return text, nil
}
