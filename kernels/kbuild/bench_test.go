package kbuild

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"golang.org/x/sys/unix"
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

// BenchmarkBuild sets Build beside the bare make that it runs, in the same root, in turn: what else the machine does strikes
// both alike.
func BenchmarkBuild(b *testing.B) {
	dir := source(b, map[string]string{"Makefile": "obj-m := m.o\nm-y := a.o b.o c.o d.o\n",
		"a.c": "#include <linux/netdevice.h>\n#include <linux/pci.h>\n" + hello,
		"b.c": "#include <linux/usb.h>\n", "c.c": "#include <linux/blkdev.h>\n", "d.c": "#include <linux/fs.h>\n"})
	for _, tree := range realTrees(b) {
		b.Run(tree.Target.Release, func(b *testing.B) {
			var ours, bare, outside time.Duration
			for b.Loop() {
				start, startCPU := time.Now(), cpu(b)
				if _, err := Build(b.Context(), Request{Tree: tree, Source: Source{Top: dir}, Dir: b.TempDir(), Jobs: 2}); err != nil {
					b.Fatal(err)
				}
				ours, outside = ours+time.Since(start), outside+cpu(b)-startCPU
				bare += bareMake(b, tree, dir)
			}
			b.ReportMetric(float64(ours)/float64(bare), "ratio")
			b.ReportMetric(bare.Seconds()/float64(b.N), "bare-s/op")
			b.ReportMetric(float64(outside.Milliseconds())/float64(b.N), "outside-cpu-ms/op")
		})
	}
}

// cpu is the processor time that we took so far outside of sandboxes, whose processes are nobody's children of ours: to copy, to
// read what make says, to prove. Unlike the time of day, nothing else on the machine is in it.
func cpu(tb testing.TB) (sum time.Duration) {
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var r unix.Rusage
		if err := unix.Getrusage(who, &r); err != nil {
			tb.Fatal(err)
		}
		sum += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return sum
}

// bareMake is BareMake on a copy of dir.
func bareMake(tb testing.TB, tree *kernels.Tree, dir string) time.Duration {
	copied := tb.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		tb.Fatal(err)
	}
	elapsed, err := BareMake(tb.Context(), Request{Tree: tree, Source: Source{Top: dir}, Dir: copied, Jobs: 2, Log: tb.Output()})
	if err != nil {
		tb.Fatal(err)
	}
	return elapsed
}
