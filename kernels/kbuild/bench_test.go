package kbuild

import (
	"strings"
	"testing"
)

func BenchmarkDiagnose(b *testing.B) {
	lines := []string{"  CC [M]  /build/m.o", "y", "/build/a.c:12:3: warning: unused variable 'x' [-Wunused-variable]", "   12 |  int x;", strings.Repeat("-Wall ", 500)}
	for b.Loop() {
		var d diagnosis
		for range 1000 {
			for _, line := range lines {
				d.add(line)
			}
		}
	}
}
