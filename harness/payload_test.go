package harness

import (
	"slices"
	"testing"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// A parameter that no module declares is reported; in a package of several, one that takes it is enough.
func TestAParameterThatNobodyTakesIsReported(t *testing.T) {
	modules := []kbuild.Module{{Name: "a", Params: []kbuild.Param{{Name: "debug"}}}, {Name: "b", Params: []kbuild.Param{{Name: "size"}}}}
	got := untaken(modules, []string{"size=4", "debgu=1", "debug=1"})
	if want := []string{"the module takes no parameter debgu, which was left out"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
