package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// withModules returns the fixture's kernels a few modules beside those that are there.
func (f *fixture) withModules(t *testing.T) {
	t.Helper()
	old, err := os.ReadFile(filepath.Join(f.source.dir, "modules.dep"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"modules.dep":   string(old) + "ecb.ko: base.ko\nbase.ko:\ncmac.ko:\nhuge.ko:\n",
		"modules.alias": "alias crypto-ecb ecb\nalias n* cmac\n",
		"ecb.ko":        "ecb", "base.ko": "base", "cmac.ko": "cmac",
	} {
		if err := os.WriteFile(filepath.Join(f.source.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	huge := filepath.Join(f.source.dir, "huge.ko")
	if err := os.WriteFile(huge, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, maxRequestedBytes+1); err != nil {
		t.Fatal(err)
	}
}

func TestWhatTheKernelAsksForIsGiven(t *testing.T) {
	without := "without: FAIL@load load-refused: fifo refused: EIO (input/output error)"
	for name, c := range map[string]struct {
		lacks  string
		want   string
		notes  string // all of them
		guests int
	}{
		"nothing":           {"", "PASS", "", 1},
		"an alias":          {"crypto-ecb", "PASS", "the kernel asked for crypto-ecb, and was given it in another guest, as modprobe would; " + without, 2},
		"a module by name":  {"base", "PASS", "the kernel asked for base, and was given it in another guest, as modprobe would; " + without, 2},
		"one after another": {"n1 crypto-ecb", "PASS", "the kernel asked for crypto-ecb, n1, and was given it in another guest, as modprobe would; " + without, 3},
		"what nobody has":   {"crypto-nothing", "FAIL@load load-refused", "the kernel asked for crypto-nothing, which this kernel does not have", 1},
		"no name":           {"../../fifo", "FAIL@load load-refused", "", 1},
		"too large":         {"huge", "FAIL@load load-refused", "the kernel asked for huge as well, and was not given it: that is too much, or came too late", 1},
		"and fails":         {"base and-more", "FAIL@load load-refused", "the kernel asked for base, and was given it in another guest, as modprobe would; " + without, 2},
		"for ever": {"for-ever", "FAIL@load load-refused", "the kernel asked for n0, n1, n2, and was given it in another guest, as modprobe would; " + without +
			"|the kernel asked for n3 as well, and was not given it: that is too much, or came too late", 4},
	} {
		t.Run(name, func(t *testing.T) {
			counter := filepath.Join(t.TempDir(), "count")
			f := newFixture(t, "call lacks "+counter+" "+c.lacks)
			f.spec.Kernels = Selectors("debian:old")
			f.withModules(t)
			res, err := f.run(t, t.Context())
			if err != nil {
				t.Fatal(err)
			}
			rec := res.Records[0]
			if got := verdictText(rec.Status, rec.Stage, rec.Code); got != c.want || rec.Attempts != 1 || len(rec.Tries) > 0 {
				t.Errorf("got %s: %s, %d attempts; want %s", got, rec.Reason, rec.Attempts, c.want)
			}
			if got := strings.Join(rec.Notes, "|"); got != c.notes {
				t.Errorf("noted\n%s\nwant\n%s", got, c.notes)
			}
			if guests, _ := os.ReadFile(counter + ".guests"); len(guests) != c.guests {
				t.Errorf("%d guests, want %d", len(guests), c.guests)
			}
		})
	}
}

// What is remembered of a cell is what it came to with all that the kernel asked for.
func TestWhatWasGivenIsRemembered(t *testing.T) {
	counter := filepath.Join(t.TempDir(), "count")
	f := newFixture(t, "[share=on] call ready\n[-incoming] call lacks "+counter+" crypto-ecb")
	f.withChannels(t)
	f.withModules(t)
	for _, cached := range []bool{false, true} {
		res, err := f.run(t, t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rec := res.Records[0]
		if rec.Status != results.Pass || rec.Cached != cached || !strings.Contains(strings.Join(rec.Notes, "|"), "asked for crypto-ecb") {
			t.Errorf("%s, cached %v, %q: %s", rec.Status, rec.Cached, rec.Notes, rec.Reason)
		}
	}
	if guests, _ := os.ReadFile(counter + ".guests"); len(guests) != 2 {
		t.Errorf("%d guests, want 2", len(guests))
	}
}

// Suites that share a guest each get another, where each lacked something.
func TestWhatSharedGuestsLackIsGiven(t *testing.T) {
	counter := filepath.Join(t.TempDir(), "count")
	f := newFixture(t, "call send hello\n"+planned+"\ncall lacks-in-each-round "+counter+" crypto-ecb\ncall send end\npoweroff")
	f.withModules(t)
	f.spec.Kernels, f.spec.Isolate = Selectors("debian:old"), IsolateNone
	f.spec.Suites = []string{suiteFolder(t, "alpha"), suiteFolder(t, "beta")}
	res, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range res.Records {
		if rec.Status != results.Pass || !strings.Contains(strings.Join(rec.Notes, "|"), "asked for crypto-ecb") {
			t.Errorf("%s: %s %s %q", rec.Suite, rec.Status, rec.Reason, rec.Notes)
		}
	}
	if guests, _ := os.ReadFile(counter + ".guests"); len(guests) != 3 {
		t.Errorf("%d guests, want 3: one for both, and one for each", len(guests))
	}
}

// A fault is one, whatever the kernel lacked.
func TestFaultsAreNoLack(t *testing.T) {
	g := judge.NewGuest("n")
	for code, want := range map[results.Code]bool{
		results.CodeLoadRefused: true, results.CodeSpecFailed: true, results.CodeHang: true, results.CodeUnloadFailed: true,
		results.CodeOops: false, results.CodePanic: false, results.CodeWarn: false, results.CodeLeak: false, results.CodeSanitizer: false, results.CodeLockdep: false, results.CodeInfra: false,
	} {
		status := results.Fail
		if code == results.CodeInfra {
			status = results.Error
		}
		if got := mayLack(&part{rec: results.Record{Status: status, Code: code}, guest: g}); got != want {
			t.Errorf("%s: %v, want %v", code, got, want)
		}
	}
	if mayLack(&part{rec: results.Record{Status: results.Fail, Code: results.CodeBuildError}}) || mayLack(&part{rec: results.Record{Status: results.Pass}, guest: g}) {
		t.Error("a build error, or a pass, came of a lack")
	}
}

// A guest is given what its own kernel has, in load order, and never in the place of the module under test.
func TestGivenIsOfTheTree(t *testing.T) {
	f := newFixture(t, "")
	f.withModules(t)
	for name, text := range map[string]string{"modules.dep": "ecb.ko: base.ko\nbase.ko:\ncmac.ko: fifo.ko\nfifo.ko:\nhuge.ko:\n", // the module under test is in tree, too
		"modules.alias": "alias crypto-ecb ecb\nalias n* cmac\nalias char-major-7 fifo\n", "fifo.ko": "theirs"} {
		if err := os.WriteFile(filepath.Join(f.source.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := f.source.Fetch(t.Context(), kernels.Target{Release: "old-amd64"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &cell{run: &run{h: f.Harness, plan: &Plan{}}, tree: tree}
	c.built.Modules = []kbuild.Module{{Name: "fifo"}}
	g := judge.NewGuest("n")
	for _, name := range []string{"../../../etc/passwd", "*", "fifo", "char-major-7", "crypto-ecb", "crypto-ecb", "huge"} {
		g.Add(wire.Frame{Kind: wire.KindWanted, Nonce: "n", Text: name})
	}
	for i := range 3 * wire.MaxWanted {
		g.Add(wire.Frame{Kind: wire.KindWanted, Nonce: "n", Text: fmt.Sprintf("n%d", i)})
	}
	if len(g.Wanted) != wire.MaxWanted {
		t.Errorf("%d names are kept, want %d", len(g.Wanted), wire.MaxWanted)
	}
	a := &part{rec: results.Record{Status: results.Fail, Code: results.CodeLoadRefused}, guest: g}
	if !c.give(a) || c.give(a) {
		t.Error("the same is given twice, or nothing is")
	}
	var plan wire.Plan
	files, err := (&session{c, task{part: a}}).addKernelModules(&plan)
	if err != nil {
		t.Fatal(err)
	}
	dir := wire.ModuleDir + "/kernel/"
	if got, want := fmt.Sprint(plan.Given), fmt.Sprint([]string{dir + "base.ko", dir + "ecb.ko", dir + "cmac.ko"}); got != want || len(files) != 3 || len(plan.Dependencies) > 0 {
		t.Errorf("given %s, want %s; %d files, dependencies %q", got, want, len(files), plan.Dependencies)
	}
	bare := wire.Plan{}
	if files, err := (&session{c, task{bare: true}}).addKernelModules(&bare); err != nil || len(files)+len(bare.Given)+len(bare.Asked) > 0 {
		t.Errorf("the kernel alone is given %q: %v", bare.Given, err)
	}
}
