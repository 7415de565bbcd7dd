package harness

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

// A source that is saved while it is copied gives no verdict, and nothing that a later run would take from the store.
func TestASourceThatChangesWhileItIsBuilt(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	f.spec.BuildOnly, f.spec.Kernels = true, f.spec.Kernels[:1]
	good, file := f.make, filepath.Join(f.spec.Module, "fifo.c")
	for name, outcome := range map[string]error{"one that builds": nil, "one that does not": &kbuild.Error{Code: results.CodeBuildError, Reason: "fifo.c:1: no"}} {
		write(t, file, "int fifo; // "+name+"\n")
		f.make = func(ctx context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
			write(t, file, "int other;\n")
			art, err := good(ctx, r)
			return art, errors.Join(err, outcome)
		}
		res, err := f.run(t, t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if rec := res.Records[0]; rec.Status != results.Error || !strings.Contains(rec.Reason, "the source of driver changed while it was built") {
			t.Errorf("%s: %s %s", name, rec.Status, rec.Reason)
		}
		f.make = good
		write(t, file, "int fifo; // "+name+"\n")
		builds := f.builds.Load()
		if res, err = f.run(t, t.Context()); err != nil || res.Records[0].Status != results.Pass || f.builds.Load() != builds+1 {
			t.Errorf("%s: %v, %s, %d builds", name, err, summary(res), f.builds.Load()-builds)
		}
	}
}

// A build that died of what earlier ones had left is made again from nothing, and what they left is thrown away; a fault of the source is
// believed at once.
func TestABuildThatWasMisledByEarlierOnes(t *testing.T) {
	for reason, want := range map[string]struct {
		status results.Status
		builds int32
	}{
		"ccache: error: Failed to write: no": {results.Pass, 2},
		"Bus error":                          {results.Pass, 2},
		"fifo.c:1: 'Bus' undeclared":         {results.Fail, 1},
		"segmentation.c:1: no":               {results.Fail, 1},
	} {
		f := newFixture(t, "call pass\npoweroff\n")
		f.spec.BuildOnly, f.spec.Kernels = true, f.spec.Kernels[:1]
		good, left := f.make, ""
		f.make = func(ctx context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
			if r.Objects == "" {
				return good(ctx, r)
			}
			f.builds.Add(1)
			left = filepath.Join(r.Objects, "damaged")
			write(t, left, "x")
			return nil, &kbuild.Error{Code: results.CodeBuildError, Reason: reason}
		}
		res, err := f.run(t, t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if rec := res.Records[0]; rec.Status != want.status || f.builds.Load() != want.builds {
			t.Errorf("%s: %s %s, %d builds", reason, rec.Status, rec.Reason, f.builds.Load())
		}
		if _, err := os.Stat(left); (err == nil) != (want.builds == 1) {
			t.Errorf("%s: what earlier builds left: %v", reason, err)
		}
	}
}
