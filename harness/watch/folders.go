package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/fsnotify/fsnotify"

	"github.com/modmatrix/modmatrix/harness"
)

// folders reports what changes in the folders and files of some inputs.
type folders struct {
	*fsnotify.Watcher
	in harness.Inputs
}

func newFolders() (*folders, error) {
	w, err := fsnotify.NewBufferedWatcher(1024) // a checkout comes in bursts
	if err != nil {
		return nil, fmt.Errorf("watch folders: %w", withCure(err))
	}
	return &folders{Watcher: w}, nil
}

// withCure names the limits of inotify(7).
func withCure(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: more folders than fs.inotify.max_user_watches allows: raise it with sysctl", err)
	case errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("%w: more watchers than fs.inotify.max_user_instances allows: raise it with sysctl", err)
	}
	return err
}

// follow watches in from now on. What is watched already stays; what has gone is not missed.
func (f *folders) follow(in harness.Inputs) error {
	f.in = in
	var all []string
	for _, file := range in.Files {
		all = append(all, filepath.Dir(file))
	}
	for _, folder := range in.Folders {
		all = append(all, filepath.Dir(folder)) // in which it may be put in the place of itself
		below, err := f.below(folder)
		if err != nil {
			return err
		}
		all = append(all, below...)
	}
	slices.Sort(all)
	for _, dir := range slices.Compact(all) {
		if err := f.Add(dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("watch %s: %w", dir, withCure(err))
		}
	}
	return nil
}

// below are folder and the folders in it that are worth a look.
func (f *folders) below(folder string) (dirs []string, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == folder, errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			return nil // it is the digest's business to complain
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case path != folder && (ignored(d.Name()) || f.left(path)):
			return fs.SkipDir
		}
		dirs = append(dirs, path)
		return nil
	})
	return dirs, err
}

// left reports whether path is, or lies in, what nobody reads; a folder that is watched for itself is read.
func (f *folders) left(path string) bool {
	within := func(dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }
	longest := func(dirs []string) (n int) {
		for _, dir := range dirs {
			if within(dir) {
				n = max(n, len(dir))
			}
		}
		return n
	}
	return longest(f.in.Leave) > longest(f.in.Folders)
}

// concerns reports whether e may have changed an input, and watches a folder that is new. Its name is as seen from the first of the folders.
func (f *folders) concerns(e fsnotify.Event) (name string, ok bool) {
	if !f.read(e.Name) {
		return "", false
	}
	if e.Has(fsnotify.Create) {
		if info, err := os.Lstat(e.Name); err == nil && info.IsDir() {
			dirs, _ := f.below(e.Name) // what cannot be read is read, and reported, with the digest
			for _, dir := range dirs {
				_ = f.Add(dir)
			}
		}
	}
	return e.Name, true
}

// read reports whether what lies at path is an input.
func (f *folders) read(path string) bool {
	if slices.Contains(f.in.Files, path) || slices.Contains(f.in.Files, filepath.Join(filepath.Dir(path), "*")) {
		return true
	}
	for _, folder := range f.in.Folders {
		if path == folder {
			return true
		}
		rest, ok := strings.CutPrefix(path, folder+"/")
		if ok && !f.left(path) && !slices.ContainsFunc(strings.Split(rest, "/"), ignored) {
			return true
		}
	}
	return false
}
