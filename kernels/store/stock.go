package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"
)

// stockFile of an entry lists all its files and links with their checksums. Only Verify reads it: of a kernel's tree, it
// has a few megabytes.
const stockFile = ".stock.json"

// item is one file or symbolic link of an entry.
type item struct {
	Size int64  `json:"size"`           // bytes of the file, or of the link's target
	Sum  string `json:"sum,omitempty"`  // checksum of the content, or of the target; empty where this user may not read it
	Link bool   `json:"link,omitempty"` // a symbolic link
}

// unreadable stands for the checksum of a file that the disk fails to read. It equals none.
const unreadable = "unreadable"

// takeStock lists what is below dir by path, without the store's own notes, and how many bytes it takes on the disk. It
// reads the files only where sums are asked for.
func takeStock(ctx context.Context, dir string, sums bool) (items map[string]item, disk int64, err error) {
	items = map[string]item{}
	seen := map[uint64]bool{} // hard links take room once
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && (st.Nlink == 1 || d.IsDir() || !seen[st.Ino]) {
			seen[st.Ino] = true
			disk += st.Blocks * 512
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || name == manifestFile || name == stockFile {
			return err
		}
		if i, ok, err := itemOf(path, info, sums); err != nil || ok {
			items[name] = i
			return err
		}
		return nil
	})
	return items, disk, err
}

// itemOf describes one file or link; ok is false for all else.
func itemOf(path string, info fs.FileInfo, sums bool) (i item, ok bool, err error) {
	switch {
	case info.Mode().IsRegular():
		i.Size = info.Size()
		if sums {
			i.Sum, i.Size, err = sumFile(path)
		}
		switch {
		case errors.Is(err, fs.ErrPermission):
			i.Size, err = info.Size(), nil
		case errors.Is(err, syscall.EIO):
			i, err = item{Size: info.Size(), Sum: unreadable}, nil
		}
	case info.Mode().Type() == fs.ModeSymlink:
		target, err := os.Readlink(path)
		return item{int64(len(target)), sumOf([]byte(target)), true}, true, err
	default:
		return i, false, nil
	}
	return i, true, err
}

func writeStock(dir string, items map[string]item) (sum string, err error) {
	text, err := json.Marshal(items)
	if err != nil {
		return "", err
	}
	return sumOf(text), os.WriteFile(filepath.Join(dir, stockFile), text, 0o644)
}

func readStock(dir, sum string) (map[string]item, error) {
	text, err := os.ReadFile(filepath.Join(dir, stockFile))
	if err != nil {
		return nil, err
	}
	if sumOf(text) != sum {
		return nil, fmt.Errorf("%s is not what was written", stockFile)
	}
	var items map[string]item
	return items, json.Unmarshal(text, &items)
}

func sumOf(data []byte) string {
	h := xxhash.New()
	_, _ = h.Write(data)
	return hex.EncodeToString(h.Sum(nil))
}

// sumFile reads a file and returns its checksum and its size in bytes.
func sumFile(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	h := xxhash.New()
	if size = info.Size(); size > readMax {
		err = sumPages(h, f)
	} else {
		size, err = io.Copy(h, f)
	}
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// sumPages adds to h the pages of a large file that are not zero, and where they stand: a guest's memory is mostly one
// hole, and it is the same memory when a copy filled the holes with zeroes.
func sumPages(h io.Writer, f *os.File) error {
	page, zero := make([]byte, blockSize), [blockSize]byte{}
	for pos := int64(0); ; {
		data, err := unix.Seek(int(f.Fd()), pos, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // nothing but hole to the end
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", f.Name(), err)
		}
		end, err := unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return fmt.Errorf("read %s: %w", f.Name(), err)
		}
		for pos = data - data%blockSize; pos < end; pos += blockSize {
			n, err := f.ReadAt(page, pos)
			if err != nil && err != io.EOF {
				return err
			}
			if string(page[:n]) != string(zero[:n]) {
				fmt.Fprintf(h, "%d:", pos)
				_, _ = h.Write(page[:n])
			}
		}
	}
}
