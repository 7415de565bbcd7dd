package debian

import (
	"errors"
	"reflect"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
)

// The kernels of +package are those without it, from the same tree in the store.
func TestKernelsForPackages(t *testing.T) {
	s := twoSuites(t).source()
	plain, err := s.Resolve(t.Context(), selector(t, "debian:bookworm"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Resolve(t.Context(), selector(t, "debian:bookworm+package"))
	if err != nil || len(res.Targets) != 1 {
		t.Fatal(res, err)
	}
	got := res.Targets[0]
	if got.Profile != "package" || got.Check() != nil || TreeID(got) != TreeID(plain.Targets[0]) {
		t.Errorf("%+v: %v", got, got.Check())
	}
	got.Profile = ""
	if !reflect.DeepEqual(got, plain.Targets[0]) {
		t.Errorf("got %+v, want %+v", got, plain.Targets[0])
	}
	for _, text := range []string{"debian:bookworm+kasan", "debian:bookworm+kasan+package", "debian:nosuch+package"} {
		if _, err := s.Resolve(t.Context(), selector(t, text)); !errors.Is(err, kernels.ErrNoMatch) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
