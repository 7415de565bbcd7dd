package kbuild

import (
	"fmt"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/slowtest"
)

// TestDiagnoseFlood: of megabytes of errors, whichever lines they are, the first still decides, what make says after them is
// heard, and no more than maxLine bytes of a line are looked at.
func TestDiagnoseFlood(t *testing.T) {
	slowtest.Skip(t)
	for name, line := range map[string]string{
		"errors":     "other.c:1:2: error: x\n",
		"no errors":  "other.c:1:2: rror: x\n",
		"long lines": strings.Repeat("rror: ", 600) + "\n",
		"one line":   strings.Repeat("rror: ", 600),
	} {
		log := newLog(nil)
		fmt.Fprintln(log, "first.c:7:1: error: expected ';' before 'x'")
		piece := []byte(strings.Repeat(line, 1<<20/len(line)))
		for range 2 {
			log.Write(piece)
			if len(log.line) > maxLine {
				t.Errorf("%s: %d bytes of a line are kept", name, len(log.line))
			}
		}
		fmt.Fprintln(log, "\nmake[1]: *** [scripts/Makefile.build:250: first.o] Error 1")
		if log.compiler == nil || log.compiler.file != "first.c" || len(log.failed) != 1 {
			t.Errorf("%s: %+v, failed %q", name, log.compiler, log.failed)
		}
	}
}
