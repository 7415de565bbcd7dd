package kernels

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	manifestFile = ".manifest.json"
	// manifestMax is how many files a manifest watches. Images and archives are always among an entry's largest files,
	// and this many stats cost less than a millisecond.
	manifestMax = 64
)

// manifest is written last into an entry: its being there says that the entry is complete.
type manifest struct {
	Title string           `json:"title"`
	Size  int64            `json:"size"`  // bytes of all regular files
	Files map[string]int64 `json:"files"` // size of the largest files and of those at the top, by path
}

type sizedFile struct {
	path string
	size int64
}

func writeManifest(dir, id string) error {
	m := manifest{Title: id, Files: map[string]int64{}}
	if f, err := os.Open(filepath.Join(dir, TitleFile)); err == nil {
		if line, _ := bufio.NewReader(f).ReadString('\n'); strings.TrimSpace(line) != "" {
			m.Title = strings.TrimSpace(line)
		}
		f.Close()
	}
	files, err := regularFiles(dir)
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	for i, f := range files {
		m.Size += f.size
		if i < manifestMax || !strings.Contains(f.path, "/") {
			m.Files[f.path] = f.size
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, manifestFile), text, 0o644)
}

// regularFiles lists the files below dir, the largest first.
func regularFiles(dir string) ([]sizedFile, error) {
	var files []sizedFile
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		files = append(files, sizedFile{rel, info.Size()})
		return err
	})
	slices.SortFunc(files, func(a, b sizedFile) int {
		return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.path, b.path))
	})
	return files, err
}

func readManifest(path string) (manifest, error) {
	var m manifest
	text, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(text, &m)
}

// look tells whether the entry in dir is whole, as far as sizes tell, and notes that it was used.
func look(dir string) bool {
	path := filepath.Join(dir, manifestFile)
	m, err := readManifest(path)
	if err != nil {
		return false
	}
	for name, size := range m.Files {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || info.Size() != size || !info.Mode().IsRegular() {
			return false
		}
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // a store on a read-only disk still serves
	return true
}

// RemoveTree deletes dir whatever modes its folders have. What a mapped user of ours left behind (a killed mmdebstrap) only
// such a user can delete, so the last try runs in a user namespace with the same ranges (util-linux 2.38: --map-auto).
func RemoveTree(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	err := os.RemoveAll(dir)
	if err == nil || os.Geteuid() == 0 {
		return err
	}
	_ = exec.Command("unshare", "--user", "--map-root-user", "--map-auto", "rm", "-rf", "--", dir).Run()
	return os.RemoveAll(dir)
}
