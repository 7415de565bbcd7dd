package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

// ending is one way in which a cell can end, and what must come of it. A script is played by a fake QEMU, everything
// above which is the real thing; see vm/vmtest for its statements, and the functions beside sender for its calls.
type ending struct {
	name   string // also of the kernel: no blanks
	script string
	build  error  // what the compiler has to say
	fetch  error  // why the kernel cannot be had
	want   string // status@stage code
	reason string // a part of it
}

// passes is a script that does something in the middle of a guest that passes otherwise.
func passes(middle string) string {
	return "call send boot load test\n" + middle + "\ncall send unload end\npoweroff"
}

// tests is a script of a guest that goes through steps in place of those of the test.
func tests(steps string) string {
	return "call send boot load begin:test " + steps + " done:test taint:test=4096 unload end\npoweroff"
}

// ended is a script of a guest that passes, and then ends with these statements.
func ended(statements string) string { return "call send through\n" + statements }

func TestEndings(t *testing.T) {
	count, played := &ruleCount{count: map[string]int{}}, 0
	for _, group := range []struct {
		name   string
		list   []ending
		limit  func(*deadlines) // the one that passes; the others never do
		stays  bool             // its guests stay where they are, and the deadline passes once all of them are there
		frozen bool
	}{
		{"by themselves", endings, nil, false, false},
		{"mute", mute, func(d *deadlines) { d.boot = time.Minute }, true, false},
		{"silent", silent, nil, true, false},
		{"endless", endless, func(d *deadlines) { d.whole = time.Minute }, true, false},
		{"mute monitors", muteMonitors, func(d *deadlines) { d.whole = grace }, false, false},
		{"clones", clones, nil, false, true},
		{"never ready", neverReady, func(d *deadlines) { d.boot = grace }, false, true},
		{"mute clones", muteClones, func(d *deadlines) { d.boot = time.Minute }, true, true},
	} {
		t.Run(group.name, func(t *testing.T) {
			played++
			limits := deadlines{boot: 2 * time.Minute, silent: 2 * time.Minute, still: 2 * time.Minute, call: 2 * time.Minute, whole: 4 * time.Minute, ask: grace}
			if group.stays {
				limits.silent, limits.still, limits.call = grace/10, grace/10, grace/10 // of a clock that stands still: how often it is looked at
			}
			if group.limit != nil {
				group.limit(&limits)
			}
			play := func(list ...ending) {
				var clock *standstill
				if group.stays {
					clock = &standstill{dir: t.TempDir(), guests: len(list), began: time.Now()}
				}
				playEndings(t, count, list, limits, clock, group.frozen)
			}
			if !group.frozen {
				play(group.list...)
				return
			}
			for _, e := range group.list { // a clone's arguments do not say of which kernel it is
				play(e)
			}
		})
	}
	if played == 8 { // not where only some of them were asked for
		count.check(t)
	}
}

// grace is what is left to the host, once a guest is as far as it goes, to hear of it.
const grace = 200 * time.Millisecond

// standstill is a clock that stands still until so many guests have left a file in dir, see stays. A minute is over then.
type standstill struct {
	dir    string
	guests int
	began  time.Time

	mu    sync.Mutex
	moved time.Time // zero while it stands
}

func (c *standstill) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.moved.IsZero() {
		if there, _ := os.ReadDir(c.dir); len(there) < c.guests {
			return c.began
		}
		c.moved = time.Now()
	}
	if time.Since(c.moved) < grace {
		return c.began
	}
	return c.began.Add(time.Minute)
}

// stays returns the script of a guest that leaves a file as soon as it is as far as it goes.
func (c *standstill) stays(e ending) string {
	lines := strings.Split(strings.TrimSpace(e.script), "\n")
	at := len(lines)
	if last := lines[at-1]; last == "freeze" || strings.HasPrefix(last, "flood") {
		at--
	}
	when := ""
	if strings.Contains(e.script, "[share=on]") { // the template goes on as a clone
		when = "[-incoming] "
	}
	return strings.Join(slices.Insert(lines, at, when+"call stays "+filepath.Join(c.dir, e.name)), "\n")
}

// playEndings runs one module against a kernel for each of list.
func playEndings(t *testing.T, count *ruleCount, list []ending, limits deadlines, clock *standstill, frozen bool) {
	by := map[string]ending{}
	var script strings.Builder
	for _, e := range list {
		if by[e.name] = e; clock != nil {
			e.script = clock.stays(e)
		}
		for line := range strings.Lines(e.script) {
			if line = strings.TrimSpace(line); line != "" && frozen {
				fmt.Fprintln(&script, line)
			} else if line != "" {
				fmt.Fprintf(&script, "[/%s/vmlinuz] %s\n", e.name, line)
			}
		}
	}
	f := newFixture(t, script.String())
	if frozen {
		f.withChannels(t)
	}
	f.sources = func(Spec) map[string]Source { return map[string]Source{"debian": kernelsOf{f.source, by}} }
	build := f.make
	f.make = func(ctx context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
		if err := by[nameOf(r.Tree.Target)].build; err != nil {
			return nil, err
		}
		return build(ctx, r)
	}
	f.limits = func(Spec) deadlines { return limits }
	if clock != nil {
		f.now = clock.now
	}
	f.judge = count.judge
	f.spec.Kernels, f.spec.Jobs = nil, 16
	for _, e := range list {
		f.spec.Kernels = append(f.spec.Kernels, Selectors("debian:"+e.name)...)
	}
	res, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range res.Records {
		e := by[strings.TrimSuffix(rec.Target.Release, "-amd64")]
		t.Run(e.name, func(t *testing.T) { e.check(t, rec) })
	}
}

func (e ending) check(t *testing.T, rec results.Record) {
	if got := strings.TrimSpace(fmt.Sprintf("%s@%s %s", rec.Status, rec.Stage, rec.Code)); got != e.want || !strings.Contains(rec.Reason, e.reason) {
		t.Errorf("got %s: %s; want %s: %s", got, rec.Reason, e.want, e.reason)
	}
	if prints := strings.Contains(e.script, "console ") || strings.Contains(e.script, "boot load"); prints && rec.Artifacts.Console == "" {
		t.Error("the console is not kept")
	}
	if (rec.Status != results.Pass) != (rec.Reason != "") {
		t.Errorf("%s with the reason %q", rec.Status, rec.Reason)
	}
	if text := rec.Reason; len(text) > 4<<10 {
		t.Errorf("a reason of %d bytes", len(text))
	}
}

func nameOf(target kernels.Target) string { return strings.TrimSuffix(target.Release, "-amd64") }

// kernelsOf has a kernel of its own for each ending, so that the fake QEMU knows whom to play.
type kernelsOf struct {
	*fakeSource
	endings map[string]ending
}

func (s kernelsOf) Fetch(ctx context.Context, target kernels.Target, report func(kernels.Progress)) (*kernels.Tree, error) {
	name := nameOf(target)
	if err := s.endings[name].fetch; err != nil {
		return nil, err
	}
	tree, err := s.fakeSource.Fetch(ctx, target, report)
	if err != nil {
		return nil, err
	}
	tree.Image = filepath.Join(s.dir, name, "vmlinuz")
	if err := os.MkdirAll(filepath.Dir(tree.Image), 0o755); err != nil {
		return nil, err
	}
	tree.Digest += name // a template of its own as well
	return tree, os.WriteFile(tree.Image, []byte(name), 0o644)
}

// ruleCount counts how often each rule of the table of judgement decided.
type ruleCount struct {
	mu    sync.Mutex
	count map[string]int
}

// judge notes which rule decides on e.
func (c *ruleCount) judge(e judge.Evidence) results.Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count[judge.Rule(e)]++
	return judge.Judge(e)
}

// elsewhere are the rules that no guest can reach, with the test that does.
var elsewhere = map[string]string{
	"excluded":       "the module says it before anything is built",
	"config-missing": "TestKernelWithoutAStandInIsSkipped",
	"interrupted":    "TestInterruptGivesEveryCellARecord",
	"in-tree":        "the kernel's own modules say it before anything is built",
	"build-only":     "TestJudge",
	"no-guest":       "TestJudge",
	"checks":         "TestStaticChecksAreJudged",
}

func (c *ruleCount) check(t *testing.T) {
	if t.Failed() {
		return
	}
	for _, name := range judge.Rules() {
		if _, ok := elsewhere[name]; c.count[name] == 0 && !ok {
			t.Errorf("no ending is decided by the rule %s: give it one", name)
		}
	}
}
