package harness

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// A kernel asks modprobe for what it finds missing, such as the cipher mode that a module allocates. No dependency of the
// module names it, so a guest does not have it; a system would. A failure without it is no verdict: another guest is run
// that has it, and only where the first did not pass.

const (
	maxRequests       = 3        // what was given may ask for more
	maxRequestedBytes = 32 << 20 // of files, packed as the tree has them
)

// requested is what the kernel asked for in the part's guests before, and gets in the next.
type requested struct {
	guests  int
	names   []string // as the kernel asked
	modules []string // that answer to them
	without string   // the verdict on the first guest
}

// request settles the parts whose kernel lacked nothing that it could have. Others get that in another guest: more is true.
func (c *cell) request(parts []*part) (more bool) {
	for _, p := range parts {
		if !p.done {
			p.done = p.requested.guests >= maxRequests || !mayLack(p) && !c.leftOwn(p) || !c.give(p)
			p.requested.guests++
			if p.done {
				p.rec.Notes = append(p.rec.Notes, c.requestNotes(p)...)
			}
		}
		more = more || !p.done
	}
	return more
}

// mayLack reports whether the verdict on p may come of a module that was not there. What the kernel complained of does not:
// to go without must be an error that is dealt with. An infrastructure error is tried again anyway.
func mayLack(p *part) bool {
	switch p.rec.Code {
	case results.CodeOops, results.CodePanic, results.CodeWarn, results.CodeSanitizer, results.CodeLockdep, results.CodeLeak:
		return false
	}
	return p.guest != nil && !passed(p.rec) && (!broke(p.rec) || len(p.guest.Trouble) > 0)
}

// give adds to p's next guest what the kernel asked for and its tree has, and reports whether that is more than it had.
func (c *cell) give(p *part) bool {
	req := &p.requested
	before := len(req.names)
	for _, name := range slices.Concat(p.guest.Wanted, c.kernelsOwn(p)) {
		if slices.Contains(req.names, name) || len(req.names) >= wire.MaxWanted {
			continue
		}
		found, err := c.tree.Alias(name)
		found = slices.DeleteFunc(found, c.brings)
		if err != nil || len(found) == 0 {
			continue
		}
		if all := slices.Concat(req.modules, found); c.fits(all) {
			req.names, req.modules = append(req.names, name), all
		}
	}
	if before == 0 {
		req.without = fmt.Sprintf("%s@%s %s: %s", p.rec.Status, p.rec.Stage, p.rec.Code, p.rec.Reason)
	}
	return len(req.names) > before
}

// brings reports whether the kernel's own module of that name must not be loaded, since another is there in its place.
func (c *cell) brings(name string) bool {
	return slices.Contains(moduleNamesOf(slices.Concat(c.built.depends, c.built.all())), name)
}

func (c *cell) fits(names []string) bool {
	paths, err := c.tree.Closure(names...)
	var size int64
	for _, path := range paths {
		info, statErr := os.Stat(path)
		if statErr != nil {
			return false
		}
		size += info.Size()
	}
	return err == nil && size <= maxRequestedBytes
}

// requestNotes say what the kernel asked for, and whether it got it.
func (c *cell) requestNotes(p *part) (notes []string) {
	if len(p.requested.names) > 0 {
		what := "the kernel asked for %s, and was given it in another guest, as modprobe would; without: %s"
		if isHere(c.tree.Target) {
			what = "this machine loaded %s meanwhile, so all was done again with that there before; at first: %s"
		}
		notes = append(notes, fmt.Sprintf(what, list(p.requested.names), p.requested.without))
	}
	if p.guest == nil || passed(p.rec) {
		return notes
	}
	var none, refused []string
	for _, name := range p.guest.Wanted {
		found, err := c.tree.Alias(name)
		switch absent := (*kernels.NoModuleError)(nil); {
		case errors.As(err, &absent):
			none = append(none, name)
		case err == nil && slices.ContainsFunc(found, func(m string) bool { return !c.brings(m) }) && mayLack(p):
			refused = append(refused, name)
		}
	}
	if none = slices.DeleteFunc(none, func(name string) bool { return besides(name, p.guest.Wanted) }); len(none) > 0 {
		notes = append(notes, fmt.Sprintf("the kernel asked for %s, which this kernel does not have", list(none)))
	}
	if len(refused) > 0 {
		notes = append(notes, fmt.Sprintf("the kernel asked for %s as well, and was not given it: that is too much, or came too late", list(refused)))
	}
	return notes
}

// besides reports whether name was only asked for beside another: crypto-NAME-all after crypto-NAME (crypto/api.c, crypto_larval_lookup).
func besides(name string, all []string) bool {
	plain, ok := strings.CutSuffix(name, "-all")
	return ok && slices.Contains(all, plain)
}

func list(names []string) string { return strings.Join(slices.Sorted(slices.Values(names)), ", ") }
