package watch

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fsnotify/fsnotify"

	"github.com/modmatrix/modmatrix/harness"
)

func TestIgnoredNames(t *testing.T) {
	for _, name := range strings.Fields(".fifo.c.swp .fifo.c.swx .swp.swo 4913 fifo.c~ #fifo.c# .#fifo.c .fifo.c.kate-swp .goutputstream-5XQ2 ___jb_tmp___ ___jb_old___ " +
		"fifo.c.orig fifo.c.rej .nfs0000001 .DS_Store fifo.ko fifo.mod fifo.mod.c fifo.mod.o .fifo.o.cmd .fifo.ko.cmd Module.symvers modules.order fifo.o.d fifo.dwo .tmp_versions .git .hg .svn .jj") {
		if !ignored(name) {
			t.Errorf("%s is looked at", name)
		}
	}
	for _, name := range strings.Fields("fifo.c fifo.h Kbuild Makefile dkms.conf modmatrix.toml modmatrix.lock fifo.rs fifo_test.go blob.o blob.o_shipped built-in.c mod.c swp .clang-format .gitignore 4913.c a#b.c orig.c") {
		if ignored(name) {
			t.Errorf("%s is not looked at", name)
		}
	}
}

var sourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*\.(c|h|S|rs|go|toml|sh)$`)

// Whatever a source is called, a change of it is looked at; and no name ends the walk.
func FuzzIgnoredNames(f *testing.F) {
	for _, name := range []string{"fifo.c", "a.mod.c", ".a.swp", "[.c", "\\", "", "*~", ".git"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if ignored(name) && sourceName.MatchString(name) {
			t.Errorf("%q is not looked at", name)
		}
	})
}

// What is an input, of a module with results, suites and version control in its folder.
func TestWhatConcernsARun(t *testing.T) {
	w, err := newFolders()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	w.in = harness.Inputs{Folders: []string{"/m", "/m/suites/fifo", "/fw"}, Leave: []string{"/m/modmatrix-out", "/m/modmatrix.toml", "/m/suites"},
		Files: []string{"/m/modmatrix.toml", "/m/.git/HEAD", "/m/.git/index", "/lib/*"}}
	for _, path := range strings.Fields("/m /m/fifo.c /m/sub/new/a.h /m/modmatrix.toml /m/suites/fifo/fifo_test.go /m/.git/HEAD /m/.git/index /fw/a.bin /lib/common.h") {
		if _, ok := w.concerns(fsnotify.Event{Name: path, Op: fsnotify.Write}); !ok {
			t.Errorf("%s is not looked at", path)
		}
	}
	for _, path := range strings.Fields("/m/modmatrix-out /m/modmatrix-out/results.json /m/suites/other/a_test.go /m/.git/index.lock /m/.git/objects/ab/cd /m/.git/refs/heads/x /m/fifo.ko /m/.tmp_versions/fifo.mod /mother/fifo.c /fwx /lib/sub/a.h /m/sub/.a.c.swp") {
		if _, ok := w.concerns(fsnotify.Event{Name: filepath.Clean(path), Op: fsnotify.Write}); ok {
			t.Errorf("%s is looked at", path)
		}
	}
}
