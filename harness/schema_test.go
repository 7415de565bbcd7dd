package harness

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// What a run writes is as the published schema says: cells that pass, that fail, and that nobody could run.
func TestARunFitsTheSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../results/results.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{"call pass\npoweroff\n", "poweroff\n"} {
		f := newFixture(t, script)
		f.spec.Kernels = Selectors("debian:old", "debian:young", "debian:offline")
		f.spec.Retries, f.spec.CompareInTree = 1, true
		if _, err := f.run(t, t.Context()); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(filepath.Join(f.spec.Out, "results.json"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		doc, err := jsonschema.UnmarshalJSON(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Error(err)
		}
	}
}
