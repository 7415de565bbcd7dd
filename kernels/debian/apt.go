package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results/arch"
)

// state is apt's state of one suite, in a folder of the store: configuration, sources, index, and what was resolved from it.
type state struct {
	src   *Source
	suite suite
	arch  arch.Arch // of the kernels; where that is not this machine's, there are the indices of both
	dir   string
}

// stamp says when the index was last read from the archive, and from which.
type stamp struct {
	Updated  time.Time `json:"updated"`
	Given    archives  `json:"given"` // what the configuration asked for then; another wish makes the index old
	Archives archives  `json:"archives"`
	Lines    []string  `json:"lines"` // the suites that were there
	Notices  []string  `json:"notices,omitempty"`
	Gone     string    `json:"gone,omitempty"` // the archive has no such suite: which one, and there is no index
	Support  support   `json:"support"`
	Form     int       `json:"form"` // stampForm; an index whose stamp has another is old
}

// stampForm changes with what is noted of an index.
const stampForm = 1

func (s *Source) state(name string, a arch.Arch) *state {
	dir := name
	if a.Debian != build.Debian {
		dir += "+" + a.Debian
	}
	return &state{s, suiteOf(name), a, filepath.Join(s.store.Dir(), "apt", dir)}
}

// stateIn is the state whose folder has that name.
func (s *Source) stateIn(dir string) *state {
	name, word, _ := strings.Cut(dir, "+")
	if a, ok := arch.Named(word); ok {
		return s.state(name, a)
	}
	return s.state(dir, build)
}

// stateOf is the one that t was resolved in.
func (s *Source) stateOf(t kernels.Target) *state {
	_, name := t.Origin()
	return s.state(name, t.Machine())
}

// id is what the state is called among all of them.
func (st *state) id() string { return filepath.Base(st.dir) }

// architectures are those that st has indices of, in Debian's words, this machine's first.
func (st *state) architectures() []string {
	return slices.Compact([]string{build.Debian, st.arch.Debian})
}

func (st *state) lock(ctx context.Context, exclusive bool) (func(), error) {
	return st.src.store.Lock(ctx, "apt."+st.id(), exclusive)
}

func (st *state) path(name string) string { return filepath.Join(st.dir, name) }

func (st *state) given() archives { return archives{st.src.cfg.Mirror, st.src.cfg.SecurityMirror} }

// stamp is the zero value where there is no index yet.
func (st *state) stamp() stamp {
	var mark stamp
	if store.ReadJSON(st.path("stamp.json"), &mark) != nil {
		return stamp{}
	}
	return mark
}

// fresh reports whether an index is younger than age and from the archive that is asked for. A clock that went backwards
// makes it old.
func (st *state) fresh(mark stamp, age time.Duration) bool {
	if mark.Gone != "" {
		age = min(age, maxAge) // it may come
	}
	old := st.src.now().Sub(mark.Updated)
	return !mark.Updated.IsZero() && mark.Form == stampForm && mark.Given == st.given() && old >= 0 && old < age
}

// gone is the error that the suite is not there.
func (mark stamp) gone() error {
	if mark.Gone == "" {
		return nil
	}
	return fmt.Errorf("%w: the archive has no suite %s; known suites: %s", kernels.ErrNoMatch, mark.Gone, strings.Join(known, " "))
}

// ensure sees to an index that is not older than age, or says in a notice that it is.
func (st *state) ensure(ctx context.Context, age time.Duration) (notices []string, err error) {
	mark := st.stamp()
	if st.fresh(mark, age) {
		return nil, mark.gone()
	}
	if st.src.cfg.Offline {
		err = errOffline
	} else {
		err = st.refreshOnce(ctx, age)
	}
	switch {
	case err == nil:
		return nil, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, kernels.ErrNoMatch):
		return nil, err
	case mark.Updated.IsZero() || mark.Gone != "":
		if errors.Is(err, errOffline) {
			err = fmt.Errorf("%w; go online once", err)
		}
		return nil, fmt.Errorf("%w: no index of %s is in the store: %w", kernels.ErrUnavailable, st.suite.name, err)
	}
	old := st.src.now().Sub(mark.Updated).Round(time.Minute)
	return []string{fmt.Sprintf("the index of %s is %s old: %v", st.suite.name, old, err)}, nil
}

var errOffline = errors.New("the network is not to be used")

// refreshOnce is refresh, but a failure counts for a while: twenty selectors of a suite should not wait for a dead network
// twenty times.
func (st *state) refreshOnce(ctx context.Context, age time.Duration) error {
	failures := &st.src.failures
	if f, ok := failures.Load(st.id()); ok && st.src.now().Sub(f.(failure).at) < time.Minute {
		return f.(failure).err
	}
	err := st.refresh(ctx, age)
	if err != nil && ctx.Err() == nil {
		failures.Store(st.id(), failure{st.src.now(), err})
	}
	return err
}

type failure struct {
	at  time.Time
	err error
}

// refresh reads the index from the archive, unless another process just did.
func (st *state) refresh(ctx context.Context, age time.Duration) error {
	unlock, err := st.lock(ctx, true)
	if err != nil {
		return err
	}
	defer unlock()
	if mark := st.stamp(); st.fresh(mark, age) {
		return mark.gone()
	}
	if _, err := os.Stat(st.src.cfg.Keyring); err != nil {
		return fmt.Errorf("the archive's keyring %s is missing: install debian-archive-keyring", st.src.cfg.Keyring)
	}
	where, _, err := st.src.archives(ctx)
	if err != nil {
		return err
	}
	mark := stamp{Given: st.given(), Archives: where, Form: stampForm}
	if where.Security == "" && strings.Contains(where.sources(st.suite.lines, "", build.Debian), " "+st.suite.base+"-updates ") {
		mark.Notices = append(mark.Notices, fmt.Sprintf("no security archive is known: %s comes without its security updates (MODMATRIX_DEBIAN_SECURITY_MIRROR)", st.suite.name))
	}
	if err := st.update(ctx, &mark); err != nil {
		return err
	}
	mark.Updated = st.src.now()
	return errors.Join(mark.gone(), store.WriteJSON(st.path("stamp.json"), mark))
}

// update runs apt, first with every suite that may be there, and again without those optional ones that are not.
func (st *state) update(ctx context.Context, mark *stamp) error {
	if err := st.configure(ctx); err != nil {
		return err
	}
	lines := st.suite.lines
	next := st.path("sources.next")
	for {
		if err := os.WriteFile(next, []byte(mark.Archives.sources(lines, st.src.cfg.Keyring, st.architectures()...)), 0o644); err != nil {
			return err
		}
		_, err := st.apt(ctx, "apt-get", "update", "-q", "-o", "Dir::Etc::sourcelist="+next)
		if err == nil {
			break
		}
		if left, why := st.withoutUnread(lines, err); why != "" {
			mark.Notices = append(mark.Notices, why)
			lines = left
			continue
		}
		left, missing := withoutMissing(lines, err)
		if missing == "" {
			return notRead(err, st.src.cfg.Keyring)
		}
		if len(left) == len(lines) {
			mark.Gone = missing
			return nil
		}
		mark.Notices = append(mark.Notices, fmt.Sprintf("the archive has no %s", missing))
		lines = left
	}
	// Only now: with sources that were not read, the index from before would be lost.
	if err := os.Rename(next, st.path("sources.list")); err != nil {
		return err
	}
	return st.note(ctx, lines, mark)
}

// note puts into mark which indices there are now. An optional suite may be there and empty; apt keeps no index of it.
func (st *state) note(ctx context.Context, lines []line, mark *stamp) error {
	lists, err := st.targets(ctx)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if slices.ContainsFunc(lists, func(have list) bool { return have.suite == l.suite && have.arch == build.Debian }) {
			mark.Lines = append(mark.Lines, l.suite)
		} else if !l.optional {
			return fmt.Errorf("the archive's suite %s has no packages for %s", l.suite, build.Debian)
		}
	}
	mark.Notices = append(mark.Notices, st.expired()...)
	mark.Support, err = st.support(ctx, lists)
	return err
}

// notThere is how apt says that an archive answered and has no such suite: by http, by file.
var notThere = regexp.MustCompile(`/dists/([^/\s]+)/(?:In)?Release\S*\s+(?:404\s+Not Found|File not found)|(?m)^E: The repository '\S+ (\S+) Release' does not have a Release file`)

// noAnswer is how it says that nobody answered; it complains of the Release file then as well.
var noAnswer = regexp.MustCompile(`Could not (resolve|connect|handshake)|Temporary failure|Connection (failed|timed out|refused)|Unable to connect|Network is unreachable|\s5\d\d\s`)

// withoutMissing returns lines without the optional suites that err says are not there, and the first such suite, optional
// or not; "" where err is another trouble.
func withoutMissing(lines []line, err error) (left []line, missing string) {
	tool, ok := errors.AsType[*kernels.ToolError](err)
	if !ok || noAnswer.MatchString(tool.Output) {
		return lines, ""
	}
	gone := map[string]bool{}
	for _, m := range notThere.FindAllStringSubmatch(tool.Output, -1) {
		gone[m[1]+m[2]] = true
	}
	for _, l := range lines {
		if gone[l.suite] && !l.optional {
			return lines, l.suite
		}
		if gone[l.suite] && missing == "" {
			missing = l.suite
		}
		if !gone[l.suite] {
			left = append(left, l)
		}
	}
	return left, missing
}
