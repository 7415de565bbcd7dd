package packaging

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/modmatrix/modmatrix/kernels"
)

// dbVersion is the version of dkms's own folders that its archives name; dkms before 3.0 refuses one without.
const dbVersion = "2.0.0\n"

// writeTar writes what `dkms mktarball --source-only` does.
func writeTar(ctx context.Context, c *content) (string, error) {
	file := filepath.Join(c.r.Work, c.Name+"-"+c.Version+"-source-only.dkms.tar.gz")
	return file, writeArchive(file, c.r.Time, func(a *archive) {
		a.folder("./dkms_main_tree/")
		a.file("./dkms_main_tree/dkms_dbversion", false, int64(len(dbVersion)), strings.NewReader(dbVersion))
		a.tree(ctx, c.dir, "./dkms_source_tree")
	})
}

// archive is a tar that is being written; err is the first error.
type archive struct {
	out *tar.Writer
	at  time.Time // of every entry
	err error
}

// writeArchive writes a tar, compressed by gzip, which every dkms and rpm reads. The same content gives the same bytes: entries are
// sorted, of one time, and root's.
func writeArchive(file string, at time.Time, fill func(*archive)) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	zipped, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return errors.Join(err, out.Close())
	}
	a := &archive{out: tar.NewWriter(zipped), at: at}
	fill(a)
	return errors.Join(a.err, a.out.Close(), zipped.Close(), out.Close())
}

func (a *archive) header(h tar.Header) {
	h.ModTime, h.Format = a.at, tar.FormatGNU
	h.Uname, h.Gname = "root", "root"
	if a.err == nil {
		a.err = a.out.WriteHeader(&h)
	}
}

func (a *archive) folder(name string) {
	a.header(tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755})
}

func (a *archive) file(name string, executable bool, size int64, from io.Reader) {
	mode := int64(0o644)
	if executable {
		mode = 0o755
	}
	a.header(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: size})
	if a.err == nil {
		_, a.err = io.Copy(a.out, from)
	}
}

// tree adds the folder dir as name, with all that is in it.
func (a *archive) tree(ctx context.Context, dir, name string) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		a.err = errors.Join(a.err, err)
		return
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(at string, d fs.DirEntry, err error) error {
		if err := errors.Join(err, ctx.Err(), a.err); err != nil {
			return err
		}
		to := name + "/" + at
		switch {
		case at == ".":
			a.folder(name + "/")
		case d.IsDir():
			a.folder(to + "/")
		case d.Type() == fs.ModeSymlink:
			target, err := root.Readlink(at)
			if err != nil {
				return err
			}
			a.header(tar.Header{Typeflag: tar.TypeSymlink, Name: to, Linkname: target, Mode: 0o777})
		default:
			return a.entry(root, at, to)
		}
		return nil
	})
	if a.err == nil {
		a.err = err
	}
}

func (a *archive) entry(root *os.Root, at, to string) error {
	in, err := kernels.OpenRegular(root, at)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	a.file(to, info.Mode()&0o111 != 0, info.Size(), in)
	return nil
}
