package dkms

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// What a module's source may hold; the largest real ones (ZFS, graphics drivers) have some 5000 files and 100 MiB.
// Folders count as files, those that no entry names as well.
var maxFiles = 50_000

const maxNested = 100

var maxBytes int64 = 1 << 30

// unpackArchive unpacks the archive at file, a tar, compressed or not, or a zip, into the folder to. notes say what was left out.
func unpackArchive(ctx context.Context, file, to string) (notes []string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if isZip(f) {
		return unpackZip(ctx, file, f, to)
	}
	r, err := kernels.Unpack(f)
	if err != nil {
		return nil, hostile(file, clean(err.Error()))
	}
	return unpackTar(ctx, file, r, to, "")
}

// unpackDeb unpacks what a Debian package would put below /usr/src.
func unpackDeb(ctx context.Context, file, to string) (notes []string, err error) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		return nil, errors.New("dpkg-deb is not installed, and nothing else opens a .deb: install the package dpkg")
	}
	return unpackFrom(ctx, exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", file), file, to, "usr/src")
}

// unpackFrom unpacks the tar archive that cmd writes. What is wrong with it is the file's fault.
func unpackFrom(ctx context.Context, cmd *exec.Cmd, file, to, below string) (notes []string, err error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Args[0], err)
	}
	notes, err = unpackTar(ctx, file, out, to, below)
	if err != nil {
		cmd.Process.Kill()
	}
	if ended := cmd.Wait(); ended != nil && (err == nil || said.Len() > 0) {
		line, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		return nil, hostile(file, "cannot be read: "+clean(line))
	}
	return notes, err
}

// hostile refuses an archive.
func hostile(file, problem string) error {
	return &kbuild.SourceError{Path: file, Problem: problem, Cure: "give an archive of a module's source"}
}

// unpackTar unpacks what lies in the folder below of a tar archive into the folder to, and nothing outside it, whatever the archive
// says: the kernel holds every path to that folder (os.Root). Owners, times and every bit of a mode but execute are not kept. notes say what
// was left out: links that lead out of it, and what is neither a file, nor a folder, nor a link.
func unpackTar(ctx context.Context, file string, r io.Reader, to, below string) (notes []string, err error) {
	limited := &io.LimitedReader{R: kernels.ReadWith(ctx, r), N: maxBytes}
	archive := tar.NewReader(limited)
	return unpackAll(ctx, file, to, below, limited, func() (*tar.Header, io.Reader, error) {
		h, err := archive.Next()
		if err != nil && !errors.Is(err, io.EOF) && ctx.Err() == nil && limited.N > 0 {
			err = hostile(file, "is no tar archive: "+clean(err.Error()))
		}
		return h, archive, err
	})
}

// unpackAll unpacks the entries that next returns one after the other until io.EOF, and that are read through limited.
func unpackAll(ctx context.Context, file, to, below string, limited *io.LimitedReader, next func() (*tar.Header, io.Reader, error)) (notes []string, err error) {
	root, err := os.OpenRoot(to)
	if err != nil {
		return nil, fmt.Errorf("open folder for source: %w", err)
	}
	defer root.Close()
	u := unpacker{root: root, below: below, folders: map[string]bool{".": true}}
	for files := 0; ; files++ {
		h, r, err := next()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case limited.N <= 0:
			return nil, hostile(file, fmt.Sprintf("unpacks to more than %d MiB", maxBytes>>20))
		case errors.Is(err, io.EOF) && files == 0:
			return nil, hostile(file, "is empty, or no archive")
		case errors.Is(err, io.EOF):
			return u.notes(), nil
		case err != nil:
			return nil, err
		case files+len(u.folders) > maxFiles:
			return nil, hostile(file, fmt.Sprintf("holds more than %d files and folders", maxFiles))
		}
		err = u.unpack(h, r)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if why := (*refusal)(nil); errors.As(err, &why) {
			return nil, hostile(file, fmt.Sprintf("holds %q, %s", clean(h.Name), why.why))
		} else if err != nil && limited.N <= 0 {
			return nil, hostile(file, fmt.Sprintf("unpacks to more than %d MiB", maxBytes>>20))
		} else if err != nil && !isDisk(err) {
			return nil, &kbuild.SourceError{Path: file, Problem: fmt.Sprintf("breaks off or is damaged in %q: %s", clean(h.Name), clean(err.Error())), Cure: "get it anew"}
		} else if err != nil {
			return nil, fmt.Errorf("unpack %s: %w", clean(h.Name), err)
		}
	}
}

// refusal is why an entry of an archive is not unpacked.
type refusal struct{ why string }

func (r *refusal) Error() string { return r.why }

// unpacker unpacks entries of an archive.
type unpacker struct {
	root    *os.Root
	below   string
	folders map[string]bool // that were made, those among them that no entry names
	left    []string        // out: each with what it is
}

// notes say what was left out.
func (u *unpacker) notes() []string {
	if len(u.left) == 0 {
		return nil
	}
	note := "left out of the source: " + u.left[0]
	if more := len(u.left) - 1; more > 0 {
		note += fmt.Sprintf(", and %d more", more)
	}
	return []string{note}
}

// unpack unpacks one entry.
func (u *unpacker) unpack(h *tar.Header, r io.Reader) error {
	root, below := u.root, u.below
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if path.IsAbs(h.Name) {
		return &refusal{"an absolute name"}
	}
	name := path.Clean(h.Name)
	switch {
	case name == ".":
		return nil
	case !filepath.IsLocal(name) || strings.ContainsRune(name, 0):
		return &refusal{"a name that leads out of it"}
	case below != "" && !strings.HasPrefix(name, below+"/"):
		return nil
	}
	if h.Typeflag == tar.TypeDir {
		return u.mkdir(name)
	}
	if err := u.mkdir(path.Dir(name)); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return unpackFile(root, name, h.FileInfo().Mode(), r)
	case tar.TypeSymlink:
		if target := path.Join(path.Dir(name), h.Linkname); path.IsAbs(h.Linkname) || !filepath.IsLocal(target) {
			u.left = append(u.left, clean(name)+", a link to "+clean(h.Linkname)+", which is outside of it")
			return nil
		}
		return refuse(root.Symlink(h.Linkname, name))
	case tar.TypeLink:
		if !filepath.IsLocal(h.Linkname) {
			return &refusal{"a link to " + clean(h.Linkname) + ", which is outside of it"}
		}
		return refuse(root.Link(path.Clean(h.Linkname), name))
	}
	u.left = append(u.left, clean(name)+", neither a file, nor a folder, nor a link")
	return nil
}

// mkdir makes a folder and those above it.
func (u *unpacker) mkdir(name string) error {
	if strings.Count(name, "/") >= maxNested {
		return &refusal{fmt.Sprintf("which is more than %d folders deep", maxNested)}
	}
	for dir := name; !u.folders[dir]; dir = path.Dir(dir) {
		u.folders[dir] = true
	}
	if len(u.folders) > maxFiles {
		return &refusal{fmt.Sprintf("with which it comes to more than %d files and folders", maxFiles)}
	}
	return refuse(u.root.MkdirAll(name, 0o755))
}

// unpackFile writes one file. A second one of the same name replaces the first, as tar has it.
func unpackFile(root *os.Root, name string, mode fs.FileMode, r io.Reader) error {
	perm := fs.FileMode(0o644)
	if mode&0o111 != 0 {
		perm = 0o755
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return refuse(err)
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return refuse(err)
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// refuse makes a refusal of what the archive itself brought about: a path through a link that leads out, a file where a folder should be.
func refuse(err error) error {
	wrong := (*fs.PathError)(nil)
	link := (*os.LinkError)(nil)
	switch {
	case errors.As(err, &wrong) && !isDisk(err):
		return &refusal{"which cannot be there: " + wrong.Err.Error()}
	case errors.As(err, &link) && !isDisk(err):
		return &refusal{"which cannot be there: " + link.Err.Error()}
	}
	return err
}
