package kbuild

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestDiagnoseFlood: many megabytes of errors take seconds to read, whichever lines they are; the first still decides, and what
// make says after them is heard.
func TestDiagnoseFlood(t *testing.T) {
	const size = 16 << 20
	began := time.Now()
	for name, line := range map[string]string{
		"errors":     "other.c:1:2: error: x\n",
		"no errors":  "other.c:1:2: rror: x\n",
		"long lines": strings.Repeat("rror: ", 600) + "\n",
	} {
		log := newLog(nil)
		fmt.Fprintln(log, "first.c:7:1: error: expected ';' before 'x'")
		piece := []byte(strings.Repeat(line, 1<<20/len(line)))
		for range size / len(piece) {
			log.Write(piece)
		}
		fmt.Fprintln(log, "make[1]: *** [scripts/Makefile.build:250: first.o] Error 1")
		if log.compiler == nil || log.compiler.file != "first.c" || len(log.failed) != 1 {
			t.Errorf("%s: %+v, failed %q", name, log.compiler, log.failed)
		}
	}
	if took := time.Since(began); took > time.Minute { // without a bound, three minutes on an idle machine
		t.Errorf("it took %v", took)
	}
}
