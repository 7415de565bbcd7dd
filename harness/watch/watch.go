// Package watch runs the matrix of a module again whenever something has changed that its verdicts rest on, and drops a run that
// the change made pointless. It is a client of runs: what is to be built, in which order, and what comes of it, harness knows.
//
// It must never know how a change looks on a terminal, and starts nothing but what the user typed: a command, or the pager.
package watch

import (
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
)

// Options say what is watched, and what happens then.
type Options struct {
	Harness harness.Options // Events gets those of runs, and of rounds
	Folder  string          // where the module lies; watched even where its configuration cannot be read
	// Spec is asked before every round: it reads the configuration anew. Its error is shown, and the next change is waited for.
	Spec func() (harness.Spec, error)
	// Commands are what the user types meanwhile; nil: nothing.
	Commands <-chan Command
	// Verdict is called when a round comes to another verdict than the one before it, as soon as that is certain, and once at a time. It
	// must not wait for anything. Nil: nobody wants to know.
	Verdict func(Change)
}

// Change is another verdict than before.
type Change struct {
	Was, Now results.Status
	Round    int            // from 1
	First    results.Record // the first that was not good in this round; the zero value where all were
	Out      string         // folder of the results
}

// Command is what a user asks of a Loop.
type Command struct {
	Do   Do
	Text string // of DoFocus: the number of a kernel of the board, a regular expression for specs, or nothing, for all
}

// Do says what kind of Command it is.
type Do int

// The commands.
const (
	DoAll    Do = iota // run everything anew, nothing from a cache
	DoFailed           // from now on only what failed last, as long as something fails
	DoFocus            // from now on only what Text says
	DoQuit
)

// How long nothing must change before it is looked at, and how long at most is waited for that.
const (
	quiet   = 100 * time.Millisecond
	longest = 2 * time.Second
)

// Changed is the text of the event of a round that a change made pointless; another round follows.
const Changed = "changed"

// maxChanged bounds the names of what changed.
const maxChanged = 5

// Loop watches and runs.
type Loop struct {
	opt     Options
	h       *harness.Harness
	folders *folders
	settle  settler
	heard   heard

	round   *round // under way; nil: none is
	number  int
	digest  string   // of the inputs that the last round began with; empty: it does not count
	changed []string // since then
	want    wanted
	last    *results.Results // of the last round that came to its end
}

// wanted narrows rounds. The zero value wants all.
type wanted struct {
	failed        bool
	kernel, focus string
}

// String is empty where all is wanted.
func (w wanted) String() string {
	var parts []string
	if w.failed {
		parts = append(parts, "what failed")
	}
	if w.kernel != "" {
		parts = append(parts, w.kernel)
	}
	if w.focus != "" {
		parts = append(parts, "/"+w.focus+"/")
	}
	return strings.Join(parts, ", ")
}

// New returns a Loop that has seen nothing yet.
func New(opt Options) (l *Loop, err error) {
	l = &Loop{opt: opt, settle: settler{quiet: quiet, longest: longest}}
	l.opt.Folder, _ = filepath.Abs(opt.Folder) // of no folder where there is no working one
	l.heard = heard{events: opt.Harness.Events, verdict: opt.Verdict, status: map[results.Cell]results.Status{}}
	opt.Harness.Events = l.heard.event
	if l.h, err = harness.New(opt.Harness); err != nil {
		return nil, err
	}
	l.folders, err = newFolders()
	return l, err
}

// Run runs a round at once, and another one for each change, until the user quits or ctx ends. It returns the results of the last round
// that came to its end, nil where none did. When it returns, nothing of a round is left.
func (l *Loop) Run(ctx context.Context) (*results.Results, error) {
	defer l.folders.Close()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	l.look(ctx, false, false)
	for {
		if at, ok := l.settle.due(); ok {
			timer.Reset(time.Until(at))
		}
		select {
		case <-ctx.Done():
			l.drop("interrupted")
			return l.last, ctx.Err()
		case e := <-l.folders.Events:
			if name, ok := l.folders.concerns(e); ok {
				l.touch(name)
			}
		case err := <-l.folders.Errors: // an overflow, mostly: something has changed
			if err != nil {
				l.touch("")
			}
		case now := <-timer.C:
			if l.settle.settled(now) {
				l.look(ctx, false, false)
			}
		case o := <-l.ended():
			l.over(o)
		case c := <-l.opt.Commands:
			if c.Do == DoQuit {
				l.drop("quit")
				return l.last, nil
			}
			l.obey(ctx, c)
		}
	}
}

// ended is where what came of the round under way comes. While something changes it waits: it may be of neither source.
func (l *Loop) ended() <-chan outcome {
	if _, changing := l.settle.due(); changing || l.round == nil {
		return nil
	}
	return l.round.done
}

func (l *Loop) touch(path string) {
	l.settle.touch(time.Now())
	if rel, err := filepath.Rel(l.opt.Folder, path); path != "" && err == nil && !slices.Contains(l.changed, rel) && len(l.changed) < maxChanged {
		l.changed = append(l.changed, rel)
	}
}

func (l *Loop) obey(ctx context.Context, c Command) {
	switch c.Do {
	case DoAll:
		l.want = wanted{}
	case DoFailed:
		l.want.failed = true
	case DoFocus:
		if err := l.want.focusOn(c.Text, l.heard.rows()); err != nil {
			l.h.Notice(err.Error())
			return
		}
	}
	l.look(ctx, true, c.Do == DoAll)
}

// focusOn reads what the user typed; rows are the kernels on the board.
func (w *wanted) focusOn(text string, rows []string) error {
	text = strings.TrimSpace(text)
	n, notNumber := strconv.Atoi(text)
	switch {
	case text == "" || text == "0":
		*w = wanted{failed: w.failed}
	case notNumber == nil && (n < 0 || n > len(rows)):
		return errors.New("there is no kernel " + text + " on the board")
	case notNumber == nil:
		w.kernel = rows[n-1]
	default:
		if _, err := regexp.Compile(text); err != nil {
			return err
		}
		w.focus = text
	}
	return nil
}

// look begins a round if what is watched is not what it was, or force says so; fresh takes nothing from a cache.
func (l *Loop) look(ctx context.Context, force, fresh bool) {
	spec, err := l.opt.Spec()
	var in harness.Inputs
	if err == nil {
		in, err = l.h.Inputs(ctx, spec)
	}
	if err == nil {
		err = l.folders.follow(in)
	} else {
		_ = l.folders.follow(l.atLeast()) // to learn when it is mended
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		l.drop(Changed)
		l.digest = ""
		l.report(results.StateFailed, err.Error())
		l.changed = nil
	case force || in.Digest != l.digest:
		l.drop(Changed)
		l.digest = in.Digest
		spec.NoCache = spec.NoCache || fresh
		l.begin(ctx, spec)
	default:
		l.changed = nil
	}
}

// atLeast is what is watched where the configuration or the source cannot be read.
func (l *Loop) atLeast() harness.Inputs {
	in := l.folders.in
	if !slices.Contains(in.Folders, l.opt.Folder) {
		in.Folders = append(in.Folders, l.opt.Folder)
		in.Files = append(in.Files, filepath.Join(l.opt.Folder, harness.ConfigName))
		in.Leave = append(in.Leave, filepath.Join(l.opt.Folder, harness.OutName))
	}
	return in
}

// Log is the log of the first cell that was not good in the last round, and else of none.
func (l *Loop) Log() string { return l.heard.log() }
