package console

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzScan holds the invariants of every log: see checkInvariants.
func FuzzScan(f *testing.F) {
	for _, file := range corpusFiles(f) {
		for _, c := range readCorpus(f, file) {
			f.Add(c.log)
		}
	}
	recorded, err := filepath.Glob("testdata/recorded/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range recorded {
		log, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(log)
	}
	f.Add([]byte("BUG: KASAN: \x1b[31mx\x00 in f+0x1/0x2\r\n<0>[    1.000000]"))
	f.Add([]byte(strings.Repeat("[    1.000000][    T1] WARNING: a.c:1 at f+0x1/0x2[    1.000000]", 3)))
	f.Add([]byte("------------[ cut here ]------------\n<12>[    1.000000] BUG: x\n8<--- cut here ---\n[#1] [#1]"))
	f.Fuzz(func(t *testing.T, log []byte) {
		checkInvariants(t, log)
		Lost(log)
		Reason(log, "fifo")
	})
}
