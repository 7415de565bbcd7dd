package store

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

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
		return 0, fmt.Errorf("write manifest: %w", err)
	}
	all := m.choose(items)
	if m.Stock, err = writeStock(dir, items); err == nil && !all {
		err = syncDisk(dir)
	}
	m.Disk = disk + 2*blockSize // the stock and the manifest, which are there for nothing else
	if err == nil {
		err = m.write(filepath.Join(dir, manifestFile))
	}
	if err != nil {
		return 0, fmt.Errorf("write manifest: %w", err)
	}
	return m.Disk, nil
}

// choose picks which of the items every use looks at, and reports whether that is all files.
func (m *manifest) choose(items map[string]item) (all bool) {
	all = true
	for _, path := range bySize(items) {
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
	f, err := os.Open(filepath.Join(dir, TitleFile))
	if err != nil {
		return id
	}
	defer f.Close()
	line, _ := bufio.NewReader(f).ReadString('\n')
	return cmp.Or(strings.TrimSpace(line), id)
}

// bySize lists the items' paths, the largest first.
func bySize(items map[string]item) []string {
	return slices.SortedFunc(maps.Keys(items), func(a, b string) int {
		return cmp.Or(cmp.Compare(items[b].Size, items[a].Size), cmp.Compare(a, b))
	})
}

// syncDisk waits until all that was written to dir's file system is on its disk.
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

// write puts the checksum of a manifest on a line behind it.
func (m manifest) write(path string) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(string(text)+"\n"+sumOf(text)+"\n"), 0o644)
}

// readManifest accepts a manifest without a checksum only where it promises none of the entry either.
func readManifest(path string) (manifest, error) {
	var m manifest
	text, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	body, sum, signed := strings.Cut(string(text), "\n")
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		return m, err
	}
	if signed || m.Stock != "" {
		if strings.TrimSuffix(sum, "\n") != sumOf([]byte(body)) {
			return m, fmt.Errorf("%s is not what was written", path)
		}
	}
	return m, nil
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

// whole is look without a note.
func whole(dir string) bool {
	m, err := readManifest(filepath.Join(dir, manifestFile))
	return err == nil && m.watch(dir) == ""
}

// watch names the first watched file that is not what it was; empty when all are.
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
