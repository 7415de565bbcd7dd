package kbuild

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

// TestEarlierObjects: the Makefile reaches the objects of earlier builds of its own, finds ccache before the compilers, and what it writes into
// the log of ccache is no more than a line.
func TestEarlierObjects(t *testing.T) {
	const hits = "printf '# a.c\\ndirect_cache_hit\\nlocal_storage_hit\\n# b.c\\ncache_miss\\n# c.c\\npreprocessed_cache_hit\\n# /dev/null\\ndirect_cache_hit\\n# d\\nunsupported_source_language\\n' >$CCACHE_DIR/objects.log; "
	for name, test := range map[string]struct {
		script string
		want   results.Objects
		says   string
	}{
		"hits and misses": {hits, results.Objects{Compiled: 1, Reused: 2}, "\n# objects:  3, of which 2 are of earlier builds\n"},
		"what is there":   {"cat $CCACHE_DIR/earlier; echo \" $PATH\"; ", results.Objects{}, "kept\n /tmp/.modmatrix:/usr/lib/ccache:/usr/local/sbin:"},
		"no log":          {"", results.Objects{}, ""},
		"a FIFO":          {"mkfifo $CCACHE_DIR/objects.log; ", results.Objects{}, ""},
		"a folder":        {"mkdir -p $CCACHE_DIR/objects.log/x; ", results.Objects{}, ""},
		"a link":          {"ln -s /etc/passwd $CCACHE_DIR/objects.log; ", results.Objects{}, ""},
		"nonsense":        {"head -c 100000 /dev/urandom >$CCACHE_DIR/objects.log; ", results.Objects{}, ""},
		"without end":     {"truncate -s 1T $CCACHE_DIR/objects.log 2>/dev/null || truncate -s 64M $CCACHE_DIR/objects.log; ", results.Objects{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ko, _ := os.ReadFile("testdata/hello.ko")
			dir, objects := source(t, map[string]string{"hello.bin": string(ko), "Kbuild": "obj-m := hello.o\n", "build": test.script + "cd /build\n" + makeHello + "\n"}), t.TempDir()
			for file, text := range map[string]string{"earlier": "kept\n", statsName: "direct_cache_hit\n"} { // the log is of the build before
				if err := os.WriteFile(filepath.Join(objects, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var log bytes.Buffer
			a, err := Build(t.Context(), Request{Tree: fakeTree(t), Source: Source{Top: dir}, Dir: t.TempDir(), Objects: objects, Log: &log})
			if err != nil {
				t.Fatalf("%v\n%s", err, log.String())
			}
			if a.Objects != test.want || !strings.Contains(log.String(), test.says) {
				t.Errorf("%+v, want %+v\n%s", a.Objects, test.want, log.String())
			}
		})
	}
}

// TestNoEarlierObjects: without a folder for them, a build finds none and no ccache.
func TestNoEarlierObjects(t *testing.T) {
	ko, _ := os.ReadFile("testdata/hello.ko")
	dir := source(t, map[string]string{"hello.bin": string(ko), "Kbuild": "obj-m := hello.o\n", "build": "cd /build\necho \"<$CCACHE_DIR $PATH>\"; ls /tmp/ccache; " + makeHello + "\n"})
	_, log, err := buildIn(t, fakeTree(t), dir)
	if err != nil || strings.Contains(log, "/usr/lib/ccache") || !strings.Contains(log, "cannot access '/tmp/ccache'") {
		t.Errorf("%v\n%s", err, log)
	}
}
