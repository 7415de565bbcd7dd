package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// A kernel asks modprobe for what it finds that it lacks, such as the cipher mode that a module allocates. No dependency
// of the module names it, so a guest does not have it; a system would. What a cell comes to without it is no verdict:
// another guest is run that has it, and only where the first did not pass.

const (
	maxGivings = 3        // what was given may ask for more
	maxGiven   = 32 << 20 // bytes of files, packed as the tree has them
)

// given is what the kernel asked for in the cell's guests before, and gets in the next.
type given struct {
	names   []string // as it asked
	modules []string // that answer to them
	without string   // the verdict on the first guest
}

// judged runs a guest, and others where the kernel asked for what it could have had, and gives the verdict on what the last
// one told.
func (c *cell) judged(ctx context.Context, f *frozen) attempt {
	a := c.judgedOnce(ctx, f)
	for range maxGivings {
		if ctx.Err() != nil || !mayLack(a) || !c.give(a) {
			break
		}
		a = c.judgedOnce(ctx, f)
	}
	a.rec.Notes = append(a.rec.Notes, c.wantedNotes(a)...)
	return a
}

// mayLack tells whether a may have come of a module that was not there. What the kernel complained of did not: to go
// without must be an error that is dealt with. What broke on our side is tried again anyway.
func mayLack(a attempt) bool {
	switch a.rec.Code {
	case results.CodeOops, results.CodePanic, results.CodeWarn, results.CodeSanitizer, results.CodeLockdep, results.CodeLeak:
		return false
	}
	return a.guest != nil && !passed(a.rec) && (!broke(a.rec) || len(a.guest.Trouble) > 0)
}

// give notes for the next guest what the kernel asked for in a and its tree has, and says whether that is more than it had.
func (c *cell) give(a attempt) bool {
	before := len(c.given.names)
	for _, name := range a.guest.Wanted {
		if slices.Contains(c.given.names, name) || len(c.given.names) >= wire.MaxWanted {
			continue
		}
		found, err := c.tree.Alias(name)
		found = slices.DeleteFunc(found, c.brings)
		if err != nil || len(found) == 0 {
			continue
		}
		if all := slices.Concat(c.given.modules, found); c.light(all) {
			c.given.names, c.given.modules = append(c.given.names, name), all
		}
	}
	if before == 0 {
		c.given.without = verdictLine(a.rec)
	}
	return len(c.given.names) > before
}

// brings tells whether the kernel's own module of that name must not be loaded, since another is there in its place.
func (c *cell) brings(name string) bool {
	return slices.Contains(moduleNamesOf(slices.Concat(c.built.depends, c.built.Modules)), name)
}

// light tells whether a guest can be given the kernel's own modules called names.
func (c *cell) light(names []string) bool {
	paths, err := c.tree.Closure(names...)
	var size int64
	for _, path := range paths {
		info, statErr := os.Stat(path)
		if statErr != nil {
			return false
		}
		size += info.Size()
	}
	return err == nil && size <= maxGiven
}

// addGiven puts what the kernel is given into plan, and the files of it that are not there yet behind files.
func (c *cell) addGiven(plan *wire.Plan, files []initramfs.File) ([]initramfs.File, error) {
	paths, err := c.tree.Closure(c.given.modules...)
	if err != nil {
		return nil, err
	}
	for _, host := range paths {
		if c.brings(kernels.ModuleName(host)) {
			continue
		}
		file, err := kernelFile(host)
		if err != nil {
			return nil, err
		}
		plan.Given = append(plan.Given, file.Guest)
		if !slices.ContainsFunc(files, func(f initramfs.File) bool { return f.Guest == file.Guest }) {
			files = append(files, file)
		}
	}
	plan.Asked = c.given.names
	return files, nil
}

// wantedNotes say what the kernel asked for, and whether it got it.
func (c *cell) wantedNotes(a attempt) (notes []string) {
	if len(c.given.names) > 0 {
		notes = append(notes, fmt.Sprintf("the kernel asked for %s, and was given it in another guest, as modprobe would; without: %s", list(c.given.names), c.given.without))
	}
	if a.guest == nil || passed(a.rec) {
		return notes
	}
	var none, had []string
	for _, name := range a.guest.Wanted {
		found, err := c.tree.Alias(name)
		switch absent := (*kernels.NoModuleError)(nil); {
		case errors.As(err, &absent):
			none = append(none, name)
		case err == nil && slices.ContainsFunc(found, func(m string) bool { return !c.brings(m) }) && mayLack(a):
			had = append(had, name)
		}
	}
	if none = slices.DeleteFunc(none, func(name string) bool { return twin(name, a.guest.Wanted) }); len(none) > 0 {
		notes = append(notes, fmt.Sprintf("the kernel asked for %s, which this kernel does not have", list(none)))
	}
	if len(had) > 0 {
		notes = append(notes, fmt.Sprintf("the kernel asked for %s as well, and was not given it: that is too much, or came too late", list(had)))
	}
	return notes
}

// twin tells whether name only was asked for beside another: crypto-NAME-all goes with each crypto-NAME (Linux crypto/api.c,
// crypto_larval_lookup).
func twin(name string, all []string) bool {
	plain, ok := strings.CutSuffix(name, "-all")
	return ok && slices.Contains(all, plain)
}

func list(names []string) string { return strings.Join(slices.Sorted(slices.Values(names)), ", ") }

func verdictLine(rec results.Record) string {
	return fmt.Sprintf("%s@%s %s: %s", rec.Status, rec.Stage, rec.Code, rec.Reason)
}
