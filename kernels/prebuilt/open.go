package prebuilt

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

// What may be given; packages of drivers for several kernels have some dozens of modules.
const (
	maxModules = 256
	maxEntries = 100_000 // of a package
	maxAsked   = 1 << 20 // symbols of all modules
)

// Both in bytes, unpacked.
var (
	maxModule  int64 = 256 << 20
	maxPackage int64 = 4 << 30
	maxAll     int64 = 1 << 30 // of all modules
)

// opener collects modules in a folder of the caller's.
type opener struct {
	ctx   context.Context
	work  string
	set   Set
	bytes int64
	asked int
}

// Open takes the modules in paths: each a .ko, compressed or not, or a package (.deb, .rpm, tar) with such files in it. They are written
// into work, a folder of the caller's to keep as long as the set. A *kbuild.SourceError says what is wrong with what was given.
func Open(ctx context.Context, work string, paths ...string) (*Set, error) {
	o := &opener{ctx: ctx, work: work, set: Set{given: paths}}
	for _, given := range paths {
		before := len(o.set.Files)
		if err := o.open(given); err != nil {
			return nil, err
		}
		if len(o.set.Files) == before && len(paths) == 1 {
			return nil, wrong(given, "holds no kernel module (.ko)", "a module's source is what MODULE takes, without --prebuilt")
		}
	}
	o.set.sort()
	return &o.set, nil
}

func wrong(given, problem, cure string) error {
	return &kbuild.SourceError{Path: given, Problem: problem, Cure: cure}
}

const whatToGive = "give a .ko, or a .deb, .rpm or tar with .ko files in it"

func (o *opener) open(given string) error {
	f, err := openFile(given)
	if err != nil {
		return err
	}
	defer f.Close()
	var begin [8]byte
	n, _ := io.ReadFull(f, begin[:])
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("open %s: %w", given, err)
	}
	switch head := string(begin[:n]); {
	case strings.HasPrefix(head, debMagic):
		err = o.deb(given, f)
	case strings.HasPrefix(head, rpmMagic):
		err = o.rpm(given, f)
	default:
		err = o.plain(given, f)
	}
	var said *kbuild.SourceError
	if err == nil || errors.As(err, &said) || o.ctx.Err() != nil || errors.As(err, new(*fs.PathError)) {
		return err
	}
	return wrong(given, clean(err.Error()), whatToGive)
}

// openFile opens a regular file; it waits for nobody.
func openFile(given string) (*os.File, error) {
	info, err := os.Stat(given)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, wrong(given, "no such file", whatToGive)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", given, err)
	case !info.Mode().IsRegular():
		return nil, wrong(given, "is no file", whatToGive)
	}
	return os.Open(given)
}

// plain reads a module, or a tar with modules in it, compressed or not.
func (o *opener) plain(given string, f io.Reader) error {
	plain, err := kernels.Unpack(f)
	if err != nil {
		return err
	}
	in := bufio.NewReader(kernels.ReadWith(o.ctx, plain))
	begin, err := in.Peek(4)
	switch {
	case string(begin) == "\x7fELF":
		return o.take(filepath.Base(given), filepath.Base(given), in)
	case len(begin) < 4 && err != io.EOF:
		return err
	case strings.HasPrefix(string(begin), "PK"):
		return errors.New("is a zip")
	}
	return o.tar(given, in)
}

// suffixes are what the names of modules in packages end in.
var suffixes = []string{".ko", ".ko.gz", ".ko.xz", ".ko.zst", ".ko.bz2"}

// entry takes what a package has at name, where that is a module.
func (o *opener) entry(given, name string, r io.Reader) error {
	is := false
	for _, suffix := range suffixes {
		is = is || strings.HasSuffix(name, suffix)
	}
	if !is {
		return nil
	}
	plain, err := kernels.Unpack(r)
	if err != nil {
		return fmt.Errorf("%s: %w", clean(name), err)
	}
	return o.take(filepath.Base(given)+":"+path.Clean(strings.TrimPrefix(name, "./")), path.Base(name), plain)
}

// take reads a module, keeps it, and adds it to the set.
func (o *opener) take(origin, name string, r io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(r, maxModule+1))
	if err != nil {
		return fmt.Errorf("%s: %w", clean(origin), err)
	}
	o.bytes += int64(len(data))
	if int64(len(data)) > maxModule || o.bytes > maxAll {
		return fmt.Errorf("%s is larger than %d MiB, or all modules together than %d", clean(origin), maxModule>>20, maxAll>>20)
	}
	b, err := Read(clean(name), data)
	if err != nil {
		return err
	}
	f := File{Binary: b, Origin: results.Plain(origin), SHA256: fmt.Sprintf("%x", sha256.Sum256(data))}
	if o.asked += len(b.Wants) + len(b.Versions) + len(b.Extended) + len(b.Exports); o.asked > maxAsked {
		return fmt.Errorf("its modules ask for more than %d symbols", maxAsked)
	}
	before := len(o.set.Files)
	if err := o.set.add(f); err != nil || len(o.set.Files) == before {
		return err
	}
	if len(o.set.Files) > maxModules {
		return fmt.Errorf("holds more than %d modules", maxModules)
	}
	o.misplaced(f)
	kept := &o.set.Files[before]
	kept.Path = filepath.Join(o.work, fmt.Sprintf("%d.ko", before))
	return os.WriteFile(kept.Path, data, 0o644)
}

// misplaced notes a module that lies where kernels look for those of another release.
func (o *opener) misplaced(f File) {
	_, below, ok := strings.Cut(f.Origin, "lib/modules/")
	release, _, _ := strings.Cut(below, "/")
	if ok && release != f.Release() {
		o.set.Notes = append(o.set.Notes, fmt.Sprintf("%s lies with the modules of %s, and was built for %s", f.Origin, release, clean(f.Release())))
	}
}

// clean is foreign text that stands in a line.
func clean(s string) string {
	if s = results.Plain(s); len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}
