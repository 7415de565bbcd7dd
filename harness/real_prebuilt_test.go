package harness_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/results"
)

// TestRealPrebuilt holds predictions against a kernel: of a module of its own it takes one as it is, and refuses the same with another
// version of one symbol.
func TestRealPrebuilt(t *testing.T) {
	needReal(t)
	t.Parallel()
	name, data := ownModule(t, realKernels[0])
	for _, c := range []struct {
		symbol string
		want   results.Answer
		said   string
	}{{"", results.Taken, ""}, {"module_layout", results.Refused, "disagrees about version of symbol module_layout"}} {
		file := filepath.Join(t.TempDir(), name+".ko")
		if err := os.WriteFile(file, withOther(t, data, c.symbol), 0o644); err != nil {
			t.Fatal(err)
		}
		rec := runReal(t, t.Context(), harness.Spec{Prebuilt: []string{file}, Kernels: realKernels[:1], Suites: []string{harness.Lifecycle}}).Records[0]
		if len(rec.Predicted) != 1 {
			t.Fatalf("%s@%s %s: %d predictions", rec.Status, rec.Stage, rec.Reason, len(rec.Predicted))
		}
		p := rec.Predicted[0]
		if p.Predicted != c.want || p.Observed != c.want || !strings.Contains(p.Said, c.said) || (rec.Status == results.Pass) != (c.want == results.Taken) {
			t.Errorf("%s@%s %s: %s", rec.Status, rec.Stage, rec.Reason, p.Line())
		}
		if c.symbol != "" && (len(p.Breaks) != 1 || p.Breaks[0].Symbol != c.symbol) {
			t.Errorf("breaks by %v", p.Breaks)
		}
	}
}

// ownModule is a small module of the kernel's that needs no other, unpacked and without its signature.
func ownModule(t *testing.T, sel kernels.Selector) (name string, data []byte) {
	t.Helper()
	h, err := harness.New(harness.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tree := fetchReal(t, debian.New(h.Store(), debian.Config{}), sel)
	for _, name := range []string{"crc_itu_t", "crc_ccitt", "crc7", "dummy", "loop"} {
		path, ok, err := tree.Module(name)
		if err != nil || !ok {
			continue
		}
		if data, err = kernels.ReadModule(path); err != nil {
			t.Fatal(err)
		}
		return name, unsigned(data)
	}
	t.Fatal("the kernel has none of the modules that are looked for")
	return "", nil
}

// unsigned cuts the signature off (Linux scripts/sign-file.c): the signature, 12 bytes of which the last four are its length, and a mark.
func unsigned(data []byte) []byte {
	const mark, info = "~Module signature appended~\n", 12
	if !bytes.HasSuffix(data, []byte(mark)) {
		return data
	}
	end := len(data) - len(mark)
	return data[:end-info-int(binary.BigEndian.Uint32(data[end-4:end]))]
}

// withOther is the module with another version of symbol; of none, where that is empty.
func withOther(t *testing.T, data []byte, symbol string) []byte {
	t.Helper()
	data = bytes.Clone(data)
	if symbol == "" {
		return data
	}
	entry := append([]byte(symbol), make([]byte, 56-len(symbol))...) // the name in struct modversion_info
	at := bytes.Index(data, entry)
	if at < 8 {
		t.Fatalf("it has no version of %s", symbol)
	}
	data[at-8] ^= 1
	return data
}
