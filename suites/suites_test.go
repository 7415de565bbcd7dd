package suites

import (
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenPlan(t *testing.T) {
	dir := t.TempDir()
	if _, err := openPlan(filepath.Join(dir, "plan.json")); !errors.Is(err, ErrNoPlan) {
		t.Errorf("got %v", err)
	}
	bad, good := filepath.Join(dir, "bad"), filepath.Join(dir, "good")
	writeFile(t, bad, "{")
	writeFile(t, good, `{"target":{"version":"6.12.107"},"modules":[{"name":"fifo","params":["capacity=16"]}]}`)
	if _, err := openPlan(bad); err == nil || errors.Is(err, ErrNoPlan) {
		t.Errorf("a damaged plan gives %v", err)
	}
	plan, err := openPlan(good)
	if err != nil || plan.Target.Version != "6.12.107" || plan.Modules[0].Params[0] != "capacity=16" {
		t.Errorf("got %+v, %v", plan, err)
	}
}

func TestKernelConfig(t *testing.T) {
	const text = "# CONFIG_OFF is not set\nCONFIG_ON=y\nCONFIG_NAME=\"a b\"\nCONFIG_ONE=m\n"
	dir := t.TempDir()
	own, given := filepath.Join(dir, "config.gz"), filepath.Join(dir, "config")
	if _, err := readConfig(own, given); !errors.Is(err, ErrNoKernelConfig) {
		t.Errorf("got %v", err)
	}
	writeFile(t, given, "CONFIG_ON=given\n")
	if got := config(t, own, given, "ON"); got != "given" {
		t.Errorf("got %q", got)
	}
	var packed strings.Builder
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(text)); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	writeFile(t, own, packed.String())
	for symbol, want := range map[string]string{"ON": "y", "CONFIG_ON": "y", "OFF": "", "NAME": "a b", "O": ""} {
		if got := config(t, own, given, symbol); got != want {
			t.Errorf("%s is %q, want %q", symbol, got, want)
		}
	}
	writeFile(t, own, "no gzip")
	if _, err := readConfig(own, given); err == nil {
		t.Error("takes a damaged file for a configuration")
	}
}

func config(t *testing.T, own, given, symbol string) string {
	t.Helper()
	text, err := readConfig(own, given)
	if err != nil {
		t.Fatal(err)
	}
	return configValue(text, symbol)
}

// The modules of the machine that the tests run on are only looked at.
func TestModuleThatIsNotThere(t *testing.T) {
	m := Module("there-is-no-such-module")
	if m.Name() != "there_is_no_such_module" {
		t.Errorf("name is %s", m.Name())
	}
	if _, err := os.Stat("/proc/modules"); err != nil {
		t.Skip("this kernel has no modules: " + err.Error())
	}
	if state, err := m.State(); state != "" || err != nil {
		t.Errorf("state is %q, %v", state, err)
	}
	if _, err := m.RefCount(); !errors.Is(err, ErrNotLoaded) {
		t.Errorf("got %v", err)
	}
	if err := m.Load(); !errors.Is(err, ErrNoPlan) {
		t.Errorf("got %v", err)
	}
	if _, err := m.Param("x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
