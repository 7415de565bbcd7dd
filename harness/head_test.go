package harness

import (
	"sync"
	"testing"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/vm"
)

// TestTheJournalKeepsWhatWasLearned: the first build and the probe end at the same time, and the journal's head, of which the last
// one that was written counts, says what both found.
func TestTheJournalKeepsWhatWasLearned(t *testing.T) {
	f := newFixture(t, "")
	for range 20 {
		r := manyCells(t, f, 1)
		r.records.module.Version = ""
		var both sync.WaitGroup
		both.Go(func() { r.records.learn([]kbuild.Module{{Name: "learned", Version: "1.0"}}) })
		both.Go(func() { r.records.settle(vm.Verdict{Accel: vm.Accel{Name: "tcg", CPU: "max"}}) })
		both.Wait()
		log, err := r.records.out.log.Log()
		if err != nil || log.Head.Module.Name != "learned" || log.Head.Run.Host.Accelerator != "tcg" {
			t.Fatalf("%+v, %v", log.Head, err)
		}
		if err := r.records.out.close(); err != nil {
			t.Fatal(err)
		}
	}
}
