package kbuild

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDiagnoseFlood: many megabytes of errors take seconds to read, whichever lines they are; the first still decides, and what
// make says after them is heard.
func TestDiagnoseFlood(t *testing.T) {
	const size = 8 << 20
	began := processorTime(t)
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
	if took := processorTime(t) - began; took > 30*time.Second { // without a bound, 45 seconds
		t.Errorf("it took %v", took)
	}
}

// processorTime is what this process has taken of the processors, whoever else wants them.
func processorTime(t *testing.T) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
