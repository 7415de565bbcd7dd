package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/vm"
)

// Of a guest that QEMU cannot save there will be no template, however often a run tries: each time a kernel boots for nothing.
// So that is remembered, by the key that the template would have had, for a while: a day, since QEMU may be mended in place.
const (
	unsavedKind = "unsaved"
	unsavedFile = "why"
	unsavedFor  = 24 * time.Hour
)

// knownUnsaved is the error of an earlier try at the template called key, if it still counts; else nil.
func (p *pool) knownUnsaved(key string, now time.Time) error {
	dir, hit := p.h.store.Look(unsavedKind, key)
	if !hit {
		return nil
	}
	path := filepath.Join(dir, unsavedFile)
	info, err := os.Stat(path)
	if err == nil && now.Sub(info.ModTime()) < unsavedFor {
		if why, err := os.ReadFile(path); err == nil {
			return fmt.Errorf("%w%s", vm.ErrUnsaved, why)
		}
	}
	p.h.cacheTrouble(p.h.store.Remove(store.Entry{Kind: unsavedKind, ID: key}))
	return nil
}

// noteUnsaved remembers err, if it is one that the next try would only repeat.
func (p *pool) noteUnsaved(ctx context.Context, tree *kernels.Tree, key string, err error) {
	if !errors.Is(err, vm.ErrUnsaved) {
		return
	}
	_, why, _ := strings.Cut(err.Error(), vm.ErrUnsaved.Error())
	_, _, err = p.h.store.Fill(ctx, unsavedKind, key, func(dir string) error {
		return errors.Join(store.SetTitle(dir, "no template of "+Label(tree.Target)), os.WriteFile(filepath.Join(dir, unsavedFile), []byte(why), 0o644))
	})
	p.h.cacheTrouble(err)
}
