package field

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// driver is a line of drivers.json: a driver of somebody else's, and its right verdicts.
type driver struct {
	Name     string `json:"name"` // of its folder, too
	URL      string `json:"url"`
	Revision string `json:"revision"` // the commit that the verdicts are of
	Licence  string `json:"licence"`
	Folder   string `json:"folder"` // with the module, inside the repository; empty for the repository itself
	Why      string `json:"why"`    // the verdicts are what they are
	Expect   []want `json:"expect"`
}

func drivers(t *testing.T) (all []driver) {
	t.Helper()
	readJSON(t, "drivers.json", &all)
	return all
}

func TestDriversAreWhole(t *testing.T) {
	all, seen := drivers(t), map[string]bool{}
	if len(all) < 40 {
		t.Errorf("%d drivers, want 40", len(all))
	}
	for _, d := range all {
		where := filepath.Join(d.Name, d.Folder)
		if seen[where] || !filepath.IsLocal(where) {
			t.Errorf("%s is there twice, or is no folder", where)
		}
		seen[where] = true
		if !regexp.MustCompile(`^https://\S+$`).MatchString(d.URL) || !regexp.MustCompile(`^[0-9a-f]{40}$`).MatchString(d.Revision) || d.Licence == "" || d.Why == "" || len(d.Expect) != 2 {
			t.Errorf("%s lacks its address, commit, licence, reason, or one of two kernels", where)
		}
		for _, w := range d.Expect {
			for _, p := range append(w.ReasonHas, w.ReasonNot...) {
				if _, err := regexp.Compile(p); err != nil {
					t.Errorf("%s: %v", where, err)
				}
			}
		}
	}
}

// TestDrivers runs every driver of the list, or those that FIELD_ONLY matches, from the checkouts in FIELD_DRIVERS.
func TestDrivers(t *testing.T) {
	needReal(t)
	checkouts, err := filepath.Abs(os.Getenv("FIELD_DRIVERS"))
	if err != nil || os.Getenv("FIELD_DRIVERS") == "" {
		t.Fatal("FIELD_DRIVERS must name a folder with a checkout of each driver")
	}
	for _, d := range drivers(t) {
		name := filepath.Join(d.Name, d.Folder)
		if !regexp.MustCompile(os.Getenv("FIELD_ONLY")).MatchString(name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkout := filepath.Join(checkouts, d.Name)
			git := exec.Command("git", "-C", checkout, "rev-parse", "HEAD")
			git.Env = environment()
			if out, err := git.Output(); err != nil || strings.TrimSpace(string(out)) != d.Revision {
				t.Fatalf("no checkout of %s at %s in %s: it is at %q, %v", d.URL, d.Revision, checkout, out, err)
			}
			c := fieldCase{About: d.URL + ": " + d.Why, Verb: "run", Expect: d.Expect}
			c.run(t, filepath.Join(checkout, d.Folder))
		})
	}
}
