package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/agreement"
)

// TestDKMSRow: what the comparison comes to as a row.
func TestDKMSRow(t *testing.T) {
	const pairs = `"pairs":[{"dkms":10,"modmatrix":8},{"dkms":12,"modmatrix":6},{"dkms":1,"modmatrix":99}]`
	for _, c := range []struct {
		text, detail, missing string
		value                 float64
	}{
		{`{"cells":[{"package":"vpoll-dkms 1","kernel":"6.1",` + pairs + `}]}`, "vpoll 8.0 s against 10.0 s", "", 0.8},
		{`{"cells":[{"package":"vpoll-dkms 1","kernel":"6.1",` + pairs + `},{"package":"gone-dkms","kernel":"6.1","left":"no network"}]}`, "", "gone-dkms: no network", 0},
		{`{"cells":[{"package":"vpoll-dkms 1","kernel":"6.1"}]}`, "", "vpoll-dkms: does not build on both sides", 0},
	} {
		var r agreement.Report
		if err := json.Unmarshal([]byte(c.text), &r); err != nil {
			t.Fatal(err)
		}
		row, err := dkmsRow("x", "≤ 1.00", r.Cells)
		if err != nil || row.Detail != c.detail || row.Missing != c.missing || row.Value != c.value || row.Kernel != "6.1" {
			t.Errorf("%+v, %v; want %q, %q", row, err, c.detail, c.missing)
		}
	}
	if _, err := dkmsRow("x", "≤ 1.00", nil); err == nil {
		t.Error("nothing is a row")
	}
}

func TestAProgramFailsWithItsLastLine(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip(err)
	}
	if _, err := program(t.Context(), t.TempDir(), "sh", "-c", "echo a; echo no network >&2; exit 3"); err == nil || err.Error() != "sh: no network" {
		t.Error(err)
	}
	if _, err := program(t.Context(), t.TempDir(), "sh", "-c", "exit 3"); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Error(err)
	}
	if _, err := program(t.Context(), t.TempDir(), "true"); err != nil {
		t.Error(err)
	}
}
