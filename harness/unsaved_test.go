package harness

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/vm"
)

// That QEMU cannot save a guest is remembered for a day; what may go better the next time is not.
func TestWhatCannotBeSavedIsNotTriedEachTime(t *testing.T) {
	h, err := New(Options{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	r, tree := &pool{h: h}, &kernels.Tree{Target: kernels.Target{Release: "6.1"}}
	r.noteUnsaved(t.Context(), tree, "aaa", errors.New("save template: QEMU did not save the guest in time"))
	if err := r.knownUnsaved("aaa", time.Now()); err != nil {
		t.Errorf("remembered: %v", err)
	}
	r.noteUnsaved(t.Context(), tree, "aaa", nil)
	said := fmt.Errorf("save template: %w: of its PCI device 1234:11e8 it keeps nothing", vm.ErrUnsaved)
	r.noteUnsaved(t.Context(), tree, "aaa", said)
	err = r.knownUnsaved("aaa", time.Now())
	if !errors.Is(err, vm.ErrUnsaved) || "save template: "+err.Error() != said.Error() {
		t.Errorf("%v, want %v", err, said)
	}
	if err := r.knownUnsaved("bbb", time.Now()); err != nil {
		t.Errorf("another guest: %v", err)
	}
	if err := r.knownUnsaved("aaa", time.Now().Add(unsavedFor)); err != nil {
		t.Errorf("a day later: %v", err)
	}
	if entries, err := h.store.List(); err != nil || len(entries) > 0 {
		t.Errorf("left in the store: %+v, %v", entries, err)
	}
}
