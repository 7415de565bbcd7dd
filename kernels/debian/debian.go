// Package debian obtains kernels from a Debian archive: a suite's index says which there are, its packages become a tree,
// and a root of the same suite holds the compiler the headers ask for.
//
// apt, dpkg-deb and mmdebstrap do the archive's work, apt with a state and a configuration of its own, so that nothing of
// the host's changes and every byte is checked against the archive's signature. No archive's address is known here: it comes
// from the configuration, the environment or the host's apt sources, or is mmdebstrap's own default. This package must never know what is built or booted.
package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results/arch"
)

// Config says where the archive is. The zero value takes everything from the environment and the host's apt.
type Config struct {
	// Mirror is the archive's base, the address before /dists/; "" for $MODMATRIX_DEBIAN_MIRROR, else the host's apt sources,
	// else what mmdebstrap takes by default, as on a host of another distribution.
	Mirror string
	// SecurityMirror is the same for the -security suites; "" for $MODMATRIX_DEBIAN_SECURITY_MIRROR, else the host's.
	SecurityMirror string
	// Keyring signs the archive; "" for the file of the package debian-archive-keyring.
	Keyring string
	// Offline forbids the network: what is not in the store is not obtainable.
	Offline bool
}

const (
	// maxAge is how long an index and what was resolved from it are believed.
	maxAge         = 12 * time.Hour
	defaultKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
)

// build is the architecture of this machine, whose compilers and modpost build for all.
var build = arch.Host()

// Source obtains kernels from a Debian archive. It may be used by several goroutines, and several processes may share its store.
type Source struct {
	store *store.Store
	cfg   Config
	now   func() time.Time

	failures sync.Map // suite's name to failure
}

// New makes a source that keeps its indices, trees and roots in store.
func New(st *store.Store, cfg Config) *Source {
	if cfg.Mirror == "" {
		cfg.Mirror = os.Getenv("MODMATRIX_DEBIAN_MIRROR")
	}
	if cfg.SecurityMirror == "" {
		cfg.SecurityMirror = os.Getenv("MODMATRIX_DEBIAN_SECURITY_MIRROR")
	}
	cfg.Mirror, cfg.SecurityMirror = strings.TrimRight(cfg.Mirror, "/"), strings.TrimRight(cfg.SecurityMirror, "/")
	if cfg.Keyring == "" {
		cfg.Keyring = defaultKeyring
	}
	return &Source{store: st, cfg: cfg, now: time.Now}
}

// Resolve finds the kernel that sel names, or the newest of each series where it names several: NAME@7.*, NAME@6.1..6.12, all
// of a suite by NAME@*, all there are by the name all. The answer is kept for half a day; later, the index is asked for anew, and where
// that fails the old one is used and a notice says so. Another says where a newer kernel of the series is, in this suite or in
// one whose index is at hand as well. Errors wrap kernels.ErrNoMatch where nothing has that name, and
// kernels.ErrUnavailable where it cannot be had: no network, no address, no headers.
func (s *Source) Resolve(ctx context.Context, sel kernels.Selector) (_ kernels.Resolution, err error) {
	defer kernels.Wrap(ctx, &err, "resolve %s", sel)
	if slices.Equal(sel.Profiles, []string{installed}) {
		return s.resolveInstalled(ctx, sel)
	}
	if len(sel.Profiles) > 0 {
		return kernels.Resolution{}, fmt.Errorf("%w: a profile needs a kernel from source (git: or tar:); Debian's are built already", kernels.ErrNoMatch)
	}
	if err := checkSuite(sel.Name); err != nil {
		return kernels.Resolution{}, err
	}
	if sel.Name == allSuites {
		return s.resolveAll(ctx, sel)
	}
	a, notices, err := s.ask(ctx, sel)
	if err != nil {
		return kernels.Resolution{}, err
	}
	res := a.resolution()
	res.Notices = slices.Concat(res.Notices, s.state(sel.Name, sel.Architecture()).newerElsewhere(ctx, sel, a), notices)
	return res, nil
}

// installed is the profile of kernels for which modules are installed as packages: the kernels are those without it.
const installed = "package"

func (s *Source) resolveInstalled(ctx context.Context, sel kernels.Selector) (kernels.Resolution, error) {
	sel.Profiles = nil
	res, err := s.Resolve(ctx, sel)
	res.Targets = slices.Clone(res.Targets)
	for i := range res.Targets {
		res.Targets[i].Profile = installed
	}
	return res, err
}

func (s *Source) ask(ctx context.Context, sel kernels.Selector) (answer, []string, error) {
	st := s.state(sel.Name, sel.Architecture())
	if mark := st.stamp(); st.fresh(mark, maxAge) {
		if m, ok := st.recall(sel, mark); ok {
			a, err := m.of(st, sel)
			return a, st.notices(), err
		}
	}
	notices, err := st.ensure(ctx, maxAge)
	if err != nil {
		return st.withoutIndex(ctx, sel, err)
	}
	a, err := st.look(ctx, sel)
	if err != nil {
		return answer{}, nil, err
	}
	return a, append(st.notices(), notices...), nil
}

// checkSuite refuses what cannot be a suite: a suite's name is the name of a folder in the store and an argument of tools.
func checkSuite(name string) error {
	if !kernels.IsSuite(name) {
		return fmt.Errorf("%w: %q is no suite of Debian", kernels.ErrNoMatch, name)
	}
	return nil
}

// look finds out what sel names by the index that is at hand, however old, and by what the store has kept.
func (st *state) look(ctx context.Context, sel kernels.Selector) (a answer, err error) {
	err = st.withLists(ctx, func(lists []list) error {
		found, err := resolveIn(lists, st.suite, st.arch, sel)
		var kept bool
		if a, kept, err = st.addKept(sel, found, err); !kept {
			st.remember(sel, a, err)
		}
		return err
	})
	return a, err
}

// suite is what a suite's name means: which of the archive's suites are read, and which of those kernels are chosen from.
type suite struct {
	name  string // as the selector says it
	base  string // the suite that a root is made of
	lines []line
}

type line struct {
	suite    string
	own      bool   // it is read for this machine's own architecture alone
	security bool   // it lies in the security archive
	optional bool   // it may be missing
	chosen   bool   // kernels may come from it; the others only help out
	more     string // further components than main, each behind a space
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

// Bootstrap says whether roots can be made here, or what is missing.
func (s *Source) Bootstrap(context.Context) (string, error) {
	path, err := exec.LookPath("mmdebstrap")
	if err != nil {
		return "", errors.New("mmdebstrap is missing: apt install mmdebstrap (Ubuntu has it in universe)")
	}
	if err := canUnshare(); err != nil {
		return "", err
	}
	if _, err := os.Stat(s.cfg.Keyring); err != nil {
		return "", errors.New("the archive's keyring is missing: apt install debian-archive-keyring (Ubuntu has it in universe)")
	}
	return path, nil
}
