package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
)

// source makes a folder with files.
func source(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// fakeRoot is a root with a merged /usr, and folders that the sandbox makes itself.
func fakeRoot(t *testing.T) string {
	root := source(t, map[string]string{
		"usr/lib/a/x": "", "usr/lib/b": "", "usr/src/.keep": "", "usr/bin/sh": "", "etc/passwd": "", "build/x": "", "proc/x": "",
	})
	for link, target := range map[string]string{"lib": "usr/lib", "usr/lib/l": "a", "abs": "/usr/lib", "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestLayout(t *testing.T) {
	root, tree := fakeRoot(t), source(t, map[string]string{"headers/Makefile": "", "kbuild/x": "", "file": ""})
	m := func(host, guest, link string) kernels.Mount {
		if host != "" {
			host = filepath.Join(tree, host)
		}
		return kernels.Mount{Host: host, Guest: guest, Link: link}
	}
	const top = "--symlink /usr/lib /abs --ro-bind R/etc /etc --symlink usr/lib /lib --symlink loop /loop --ro-bind R/usr /usr"
	const lib = " --tmpfs /usr/lib --ro-bind R/usr/lib/a /usr/lib/a --ro-bind R/usr/lib/b /usr/lib/b --symlink a /usr/lib/l"
	for name, test := range map[string]struct {
		mounts []kernels.Mount
		want   string
		sealed string
	}{
		"bare":         {nil, top, "--remount-ro /"},
		"exists":       {[]kernels.Mount{m("headers", "/usr/src", "")}, top + " --ro-bind T/headers /usr/src", "--remount-ro /"},
		"file":         {[]kernels.Mount{m("file", "/etc/passwd", "")}, top + " --ro-bind T/file /etc/passwd", "--remount-ro /"},
		"missing":      {[]kernels.Mount{m("headers", "/usr/lib/k", "")}, top + lib + " --ro-bind T/headers /usr/lib/k", "--remount-ro /usr/lib --remount-ro /"},
		"through link": {[]kernels.Mount{m("headers", "/lib/k", "")}, top + lib + " --ro-bind T/headers /usr/lib/k", "--remount-ro /usr/lib --remount-ro /"},
		"deep missing": {[]kernels.Mount{m("headers", "/lib/m/n/o", "")}, top + lib + " --ro-bind T/headers /usr/lib/m/n/o", "--remount-ro /usr/lib --remount-ro /"},
		"two": {[]kernels.Mount{m("kbuild", "/usr/lib/z", ""), m("headers", "/usr/lib/k", "")},
			top + lib + " --ro-bind T/headers /usr/lib/k --ro-bind T/kbuild /usr/lib/z", "--remount-ro /usr/lib --remount-ro /"},
		"link": {[]kernels.Mount{m("", "/lib/m/build", "/usr/src")}, top + lib + " --symlink /usr/src /usr/lib/m/build", "--remount-ro /usr/lib --remount-ro /"},
		"link over": {[]kernels.Mount{m("", "/usr/lib/a", "/x")}, top +
			" --tmpfs /usr/lib --ro-bind R/usr/lib/b /usr/lib/b --symlink a /usr/lib/l --symlink /x /usr/lib/a", "--remount-ro /usr/lib --remount-ro /"},
		"opened later": {[]kernels.Mount{m("kbuild", "/lib/a", ""), m("headers", "/usr/lib/k", "")},
			top + " --ro-bind T/kbuild /usr/lib/a --tmpfs /usr/lib --ro-bind R/usr/lib/b /usr/lib/b --symlink a /usr/lib/l" +
				" --ro-bind T/kbuild /usr/lib/a --ro-bind T/headers /usr/lib/k", "--remount-ro /usr/lib --remount-ro /"},
		"new at top": {[]kernels.Mount{m("headers", "/k", "")}, top + " --ro-bind T/headers /k", "--remount-ro /"},
		"nested": {[]kernels.Mount{m("", "/usr/src/build", "/k"), m("headers", "/usr/src", "")},
			top + " --ro-bind T/headers /usr/src --tmpfs /usr/src --ro-bind T/headers/Makefile /usr/src/Makefile --symlink /k /usr/src/build",
			"--remount-ro /usr/src --remount-ro /"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := Layout(kernels.Root{Dir: root}, test.mounts)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.NewReplacer(root, "R", tree, "T").Replace(strings.Join(v.args, " "))
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if got := strings.Join(v.seal(), " "); got != test.sealed {
				t.Errorf("sealed %s", got)
			}
		})
	}
}

func TestLayoutRefuses(t *testing.T) {
	root := fakeRoot(t)
	for name, mount := range map[string]kernels.Mount{
		"relative": {Host: root, Guest: "x"},
		"root":     {Host: root, Guest: "//"},
		"no host":  {Host: "/nonexistent", Guest: "/x"},
		"loop":     {Host: root, Guest: "/loop/x"},
	} {
		if _, err := Layout(kernels.Root{Dir: root}, []kernels.Mount{mount}); err == nil || !strings.HasPrefix(err.Error(), "mount ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Layout(kernels.Root{Dir: "/nonexistent"}, nil); err == nil {
		t.Error("a root that is not there was laid out")
	}
}

// TestLayoutHost: a build in the host's own root sees programs, and none of its secrets.
func TestLayoutHost(t *testing.T) {
	v, err := Layout(kernels.Root{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	args := strings.Join(v.args, " ")
	if !strings.Contains(args, "--ro-bind /usr /usr") {
		t.Error("no /usr")
	}
	for _, never := range []string{"/root", "/home", "/run", "/var", "/etc/shadow", "/etc /etc", "/ /"} {
		if strings.Contains(args, " "+never+" ") || strings.HasSuffix(args, " "+never) {
			t.Errorf("the build sees %s", never)
		}
	}
}

func TestFind(t *testing.T) {
	root, tree := fakeRoot(t), source(t, map[string]string{"Makefile": ""})
	if err := os.Symlink("../../lib/b", filepath.Join(tree, "scripts")); err != nil {
		t.Fatal(err)
	}
	v, err := Layout(kernels.Root{Dir: root}, []kernels.Mount{{Host: tree, Guest: "/usr/src/k"}, {Guest: "/lib/m/build", Link: "/usr/src/k"}})
	if err != nil {
		t.Fatal(err)
	}
	for guest, want := range map[string]string{
		"/lib/a/x":              root + "/usr/lib/a/x",
		"/lib/l/x":              root + "/usr/lib/a/x",
		"/lib/m/build/Makefile": tree + "/Makefile",
		"/usr/src/k/scripts":    root + "/usr/lib/b",
		"/../../usr/src/k":      tree,
	} {
		if got, err := v.Find(guest); got != want {
			t.Errorf("%s: %s, %v", guest, got, err)
		}
	}
	if _, err := v.Find("/usr/src/k/none"); err == nil || err.Error() != "no /usr/src/k/none in the root" {
		t.Error(err)
	}
}
