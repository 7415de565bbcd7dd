package store

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"
)

const (
	// manifestFile is written last into an entry: its being there says that the entry is complete.
	manifestFile = ".manifest.json"
	// manifestMax is how many files a manifest watches. Images and archives are always among an entry's largest files,
	// and this many stats cost less than a millisecond.
	manifestMax = 64
	// readMax bounds the files, in bytes, that are read whenever their entry is asked for: a compiled suite is 11 MiB and
	// takes 5 ms.
	readMax = 16 << 20
)

// manifest is what is looked at whenever an entry is asked for.
type manifest struct {
	Title string            `json:"title"`
	Size  int64             `json:"size"`            // bytes of all regular files
	Disk  int64             `json:"disk,omitempty"`  // bytes of all blocks
	Files map[string]int64  `json:"files"`           // size of the largest files and of those at the top, by path
	Sums  map[string]string `json:"sums,omitempty"`  // checksum of those at the top, unless they are large
	Stock string            `json:"stock,omitempty"` // checksum of the stock's file
}

// writeManifest completes the entry in dir and returns how many bytes it takes on the disk. A file that is not looked at in
// use must be on the disk before the manifest is: after a crash of the host nothing else would show that it is not.
func writeManifest(dir, id string) (disk int64, err error) {
	m := manifest{Title: titleOf(dir, id), Files: map[string]int64{}, Sums: map[string]string{}}
	items, disk, err := takeStock(context.Background(), dir, true)
	if err != nil {
		return 0, err
	}
	all := m.choose(items)
	stock, err := json.Marshal(items)
	if err == nil {
		m.Stock, err = sumOf(stock), os.WriteFile(filepath.Join(dir, stockFile), stock, 0o644)
	}
	if err == nil && !all {
		err = syncDisk(dir)
	}
	m.Disk = disk + 2*blockSize // the stock and the manifest, which are there for nothing else
	if err != nil {
		return 0, err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return 0, err
	}
	return m.Disk, os.WriteFile(filepath.Join(dir, manifestFile), []byte(string(text)+"\n"+sumOf(text)+"\n"), 0o644)
}

// choose picks which of the items every use looks at, and reports whether that is all files.
func (m *manifest) choose(items map[string]item) (all bool) {
	all = true
	largest := func(a, b string) int { return cmp.Or(cmp.Compare(items[b].Size, items[a].Size), cmp.Compare(a, b)) }
	for _, path := range slices.SortedFunc(maps.Keys(items), largest) {
		i := items[path]
		if i.Link {
			continue
		}
		m.Size += i.Size
		top := !strings.Contains(path, "/")
		if len(m.Files) < manifestMax || top {
			m.Files[path] = i.Size
		} else {
			all = false
		}
		if top && i.Size <= readMax && i.Sum != "" {
			m.Sums[path] = i.Sum
		}
	}
	return all
}

const blockSize = 4096

func titleOf(dir, id string) string {
	text, _ := os.ReadFile(filepath.Join(dir, titleFile))
	line, _, _ := strings.Cut(string(text), "\n")
	return cmp.Or(strings.TrimSpace(line), id)
}

func syncDisk(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

func readManifest(dir string) (m manifest, err error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return m, err
	}
	body, sum, _ := strings.Cut(string(text), "\n")
	if strings.TrimSuffix(sum, "\n") != sumOf([]byte(body)) {
		return m, fmt.Errorf("%s is not what was written", manifestFile)
	}
	return m, json.Unmarshal([]byte(body), &m)
}

// look reports whether the entry in dir is whole, as far as a quick look shows, and notes that it was used.
func look(dir string) bool {
	if !whole(dir) {
		return false
	}
	now := time.Now()
	_ = os.Chtimes(filepath.Join(dir, manifestFile), now, now) // a store on a read-only disk still serves
	return true
}

func whole(dir string) bool {
	m, err := readManifest(dir)
	return err == nil && m.watch(dir) == ""
}

func (m manifest) watch(dir string) string {
	for _, name := range slices.Sorted(maps.Keys(m.Files)) {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || info.Size() != m.Files[name] || !info.Mode().IsRegular() {
			return name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Sums)) {
		if sum, _, err := sumFile(filepath.Join(dir, name)); err != nil || sum != m.Sums[name] {
			return name
		}
	}
	return ""
}

// stockFile lists all files and links of an entry with their checksums, for Verify: a few megabytes of a kernel's tree.
const stockFile = ".stock.json"

type item struct {
	Size int64  `json:"size"`           // bytes of the file, or of the link's target
	Sum  string `json:"sum,omitempty"`  // checksum of the content, or of the target; empty where this user may not read it
	Link bool   `json:"link,omitempty"` // a symbolic link
}

// unreadable stands for the checksum of a file that the disk fails to read. It equals none.
const unreadable = "unreadable"

// takeStock lists what is below dir by path, without the store's notes, and what it takes on the disk. Only sums need the files read.
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

func itemOf(path string, info fs.FileInfo, sums bool) (i item, ok bool, err error) {
	i.Size = info.Size()
	switch {
	case info.Mode().Type() == fs.ModeSymlink:
		target, err := os.Readlink(path)
		return item{int64(len(target)), sumOf([]byte(target)), true}, true, err
	case !info.Mode().IsRegular():
		return i, false, nil
	case sums:
		sum, size, err := sumFile(path)
		switch {
		case err == nil:
			i.Sum, i.Size = sum, size
		case errors.Is(err, syscall.EIO):
			i.Sum = unreadable
		case !errors.Is(err, fs.ErrPermission):
			return i, true, err
		}
	}
	return i, true, nil
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

func sumFile(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := xxhash.New()
	if info, statErr := f.Stat(); statErr != nil {
		return "", 0, statErr
	} else if size = info.Size(); size > readMax {
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
