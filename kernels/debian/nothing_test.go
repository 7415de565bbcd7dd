package debian

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
)

// That a selector names nothing is remembered as well: with --arch, it is asked for each architecture that a series has no kernel of, and
// an index is long. A kernel that the store has by then counts all the same, and so does a newer index.
func TestNothingIsRemembered(t *testing.T) {
	a := twoSuites(t)
	s := a.warm()
	refused := func() string {
		t.Helper()
		_, err := s.Resolve(t.Context(), selector(t, "debian:bookworm@6.7"))
		if !errors.Is(err, kernels.ErrNoMatch) {
			t.Fatal(err)
		}
		return err.Error()
	}
	first := refused()
	if !strings.Contains(first, "no kernel matches: bookworm has no 6.7; it has 6.1.176 6.1.192") {
		t.Errorf("%s", first)
	}
	lists, _ := filepath.Glob(filepath.Join(s.store.Dir(), "apt/bookworm/lists/*_Packages*"))
	if len(lists) == 0 {
		t.Fatal("no index")
	}
	for _, list := range lists { // whoever looks at them finds nothing
		if err := os.Rename(list, list+".away"); err != nil {
			t.Fatal(err)
		}
	}
	if again := refused(); again != first {
		t.Errorf("%s\nand then %s", first, again)
	}
	for _, list := range lists {
		if err := os.Rename(list+".away", list); err != nil {
			t.Fatal(err)
		}
	}
	a.kernel("bookworm-security", "6.7.0-1-amd64", "6.7.4-1")
	a.publish()
	s.now = func() time.Time { return time.Now().Add(2 * maxAge) }
	if res, err := s.Resolve(t.Context(), selector(t, "debian:bookworm@6.7")); err != nil || len(res.Targets) != 1 {
		t.Errorf("with a newer index: %v, %v", res.Targets, err)
	}
}
