package harness

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// zooRun runs modules of the zoo, and keeps their verdicts.
type zooRun struct {
	h     *Harness
	trees []*kernels.Tree // by version
	names map[*kernels.Tree]string

	mu   sync.Mutex
	rows map[string][]string // by module: one cell for each tree
}

// zooSlack is how much later than its deadline a guest may be killed on a busy machine.
const zooSlack = 90 * time.Second

// newZooRun obtains the kernels that the selectors name, of the architecture ZOO_ARCH where that is set: not every series has every one.
func newZooRun(t *testing.T, texts []string) *zooRun {
	t.Helper()
	h, err := New(Options{Tool: "modmatrix zoo"})
	if err != nil {
		t.Fatal(err)
	}
	k := &zooRun{h: h, names: map[*kernels.Tree]string{}, rows: map[string][]string{}}
	for _, selector := range texts {
		spec := Spec{Module: filepath.Join(zooDir, "good"), Kernels: Selectors(selector), Suites: []string{Lifecycle}}
		if machine := os.Getenv("ZOO_ARCH"); machine != "" && !spec.Kernels[0].NamesArch() {
			spec.Kernels[0].Arch = machine
			selector = spec.Kernels[0].String()
		}
		plan, err := h.Plan(t.Context(), spec)
		if errors.Is(err, ErrNothingMatched) && os.Getenv("ZOO_ARCH") != "" {
			t.Logf("%s: %v", selector, err)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range plan.Targets {
			source, _ := target.Origin()
			tree, err := h.sources(spec)[source].Fetch(t.Context(), target, func(kernels.Progress) {})
			if err != nil {
				t.Fatal(err)
			}
			k.trees = append(k.trees, tree)
			k.names[tree] = selector
		}
	}
	if len(k.trees) == 0 {
		t.Fatal("no kernel at all")
	}
	return k
}

// show runs one module on every kernel for which it has an expectation.
func (k *zooRun) show(t *testing.T, name string, a *zooModule) {
	row := make([]string, len(k.trees))
	for i, tree := range k.trees {
		want := a.on(tree)
		if want.Skip != "" {
			t.Logf("%s: not run, for %s", Label(tree.Target), want.Skip)
			row[i] = want.String()
			continue
		}
		rec := k.run(t, name, a, k.names[tree])
		row[i] = verdictText(rec.Status, rec.Stage, rec.Code)
		t.Logf("%s: %s: %s %q", Label(tree.Target), row[i], rec.Reason, rec.Notes)
		if wrong := want.differs(rec); wrong != "" {
			row[i] += " (" + wrong + ")"
			t.Errorf("%s: %s: %s: %s", Label(tree.Target), verdictText(rec.Status, rec.Stage, rec.Code), rec.Reason, wrong)
		}
		k.checkTime(t, rec)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rows[name] = row
}

func (k *zooRun) run(t *testing.T, name string, a *zooModule, selector string) results.Record {
	t.Helper()
	suite := filepath.Join(zooDir, cmp.Or(a.Suite, "quiet"))
	if a.Suite == Lifecycle {
		suite = Lifecycle
	}
	spec := Spec{Module: filepath.Join(zooDir, name), Kernels: Selectors(selector), Suites: []string{suite}, Params: a.Params, Make: a.Make,
		CPUs: a.CPUs, MemoryMiB: a.Memory, Jobs: 1, NoCache: true, Out: zooOut(t, selector)}
	plan, err := k.h.Plan(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	res, err := k.h.Run(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Records) != 1 {
		t.Fatalf("%s: %d records", selector, len(res.Records))
	}
	return res.Records[0]
}

// zooOut is the folder for the results of a run: below ZOO_OUT, if set.
func zooOut(t *testing.T, selector string) string {
	if dir := os.Getenv("ZOO_OUT"); dir != "" {
		return filepath.Join(dir, filepath.Base(t.Name()), strings.NewReplacer(":", "-", "/", "-").Replace(selector))
	}
	return t.TempDir()
}

// checkTime requires that no guest outlives its deadline.
func (k *zooRun) checkTime(t *testing.T, rec results.Record) {
	d := limits(Spec{}.WithDefaults())
	most := d.whole
	if rec.Code == results.CodeHang {
		most = d.boot + d.call
	}
	took := time.Duration(rec.Timings.Total-rec.Timings.Build-rec.Timings.Fetch) * time.Millisecond
	if took > most+zooSlack {
		t.Errorf("%s: its guest took %s, and may take %s", rec.Target.Release, took, most)
	}
}

// table shows what came, and what was expected where that is not the same.
func (k *zooRun) table() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "MODULE")
	for _, tree := range k.trees {
		fmt.Fprint(w, "\t", Label(tree.Target))
	}
	fmt.Fprintln(w)
	names := []string{}
	for name := range k.rows {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintln(w, name+"\t"+strings.Join(k.rows[name], "\t"))
	}
	w.Flush()
	return out.String()
}
