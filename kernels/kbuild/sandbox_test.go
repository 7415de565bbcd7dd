package kbuild

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// fakeTree is a kernel tree in the host's own root whose `make modules` runs the script named build in the source: real make,
// real bwrap, no kernel. Its release is that of testdata/hello.ko.
func fakeTree(t testing.TB) *kernels.Tree {
	t.Helper()
	return &kernels.Tree{
		Target: kernels.Target{Release: "6.1.0-56-cloud-amd64", Arch: "x86_64"},
		KDIR:   "/usr/src/linux-fake",
		Mounts: []kernels.Mount{{Host: source(t, map[string]string{"Makefile": "modules:\n\t@sh $(M)/build\nclean modules_install:\n\t@echo does $@\n"}), Guest: "/usr/src/linux-fake"}},
	}
}

// withKO is a source with hello.ko in the shape of a file that no build left, and the script.
func withKO(t testing.TB, script string) string {
	t.Helper()
	ko, err := os.ReadFile("testdata/hello.ko")
	if err != nil {
		t.Fatal(err)
	}
	return source(t, map[string]string{"hello.bin": string(ko), "build": "cd /build\n" + script + "\n"})
}

const makeHello = "cp hello.bin hello.ko; echo hello.o >modules.order"

func TestBuild(t *testing.T) {
	a, log, err := buildIn(t, fakeTree(t), withKO(t, makeHello+"; echo made"))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Modules) != 1 || a.Modules[0].Name != "hello" {
		t.Errorf("modules %+v", a.Modules)
	}
	for _, want := range []string{"# command:  make -C /usr/src/linux-fake M=/build -j2 modules\n", "# release:  6.1.0-56-cloud-amd64\n", "\nmade\n", "\n# exit 0, after "} {
		if !strings.Contains(log, want) {
			t.Errorf("log lacks %q", want)
		}
	}
}

// TestBuildAgainstATreeInTmp has a kernel where people often have one, and where the sandbox has a /tmp of its own.
func TestBuildAgainstATreeInTmp(t *testing.T) {
	tree := fakeTree(t)
	dir, err := os.MkdirTemp("/tmp", "kernel")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "Makefile"), []byte("modules:\n\t@sh $(M)/build $(CC)\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tree.KDIR, tree.Mounts, tree.Root.Make = dir, []kernels.Mount{{Host: dir, Guest: dir}}, []string{"CC=gcc-0"}
	_, log, err := buildIn(t, tree, withKO(t, makeHello+"; echo given $1; touch "+dir+"/x 2>/dev/null && echo written; true"))
	if err != nil || !strings.Contains(log, "\ngiven gcc-0\n") || strings.Contains(log, "written") {
		t.Error(err)
	}
}

func TestBuildFaults(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		code   results.Code
		reason string
	}{
		"fails":         {"echo a.c:3:1: error: no >&2; exit 1", results.CodeBuildError, "a.c:3: no"},
		"silent":        {"exit 3", results.CodeBuildError, "[Makefile:2: modules] Error 3"},
		"nothing":       {":", results.CodeKoMissing, "no module was built"},
		"empty order":   {">modules.order", results.CodeKoMissing, "no module was built"},
		"listed only":   {"echo hello.o >modules.order", results.CodeKoMissing, "hello.ko was not built, though modules.order lists it"},
		"empty ko":      {">hello.ko; echo /build/hello.ko >modules.order", results.CodeKoMissing, "hello.ko is empty"},
		"not a ko":      {"echo x >hello.ko; echo hello.o >modules.order", results.CodeKoMissing, "hello.ko is not a kernel module: too short for an ELF file"},
		"truncated":     {"head -c 3000 hello.bin >hello.ko; echo hello.o >modules.order", results.CodeKoMissing, "hello.ko is not a kernel module: "},
		"one of two":    {makeHello + "; echo sub/b.o >>modules.order", results.CodeKoMissing, "sub/b.ko was not built"},
		"link to host":  {"ln -s /etc/passwd hello.ko; echo hello.o >modules.order", results.CodeKoMissing, "hello.ko is a link"},
		"link inside":   {"ln -s hello.bin hello.ko; echo hello.o >modules.order", results.CodeKoMissing, "hello.ko is a link"},
		"fifo":          {"mkfifo hello.ko; echo hello.o >modules.order", results.CodeKoMissing, "hello.ko is not a file"},
		"way out":       {"echo ../../etc/passwd >modules.order", results.CodeKoMissing, "../../etc/passwd.ko is not in the build folder"},
		"other release": {"sed s/vermagic=6.1.0/vermagic=6.1.9/ hello.bin >hello.ko; echo hello.o >modules.order", results.CodeVermagicMismatch, "hello.ko was built for 6.1.9-56-cloud-amd64, not for 6.1.0-56-cloud-amd64"},
	} {
		t.Run(name, func(t *testing.T) {
			_, log, err := buildIn(t, fakeTree(t), withKO(t, test.script))
			var fault *Error
			if !errors.As(err, &fault) {
				t.Fatalf("error is %v", err)
			}
			if fault.Code != test.code || !strings.HasPrefix(fault.Reason, test.reason) {
				t.Errorf("got %v", fault)
			}
			if none := test.reason == "no module was built"; errors.Is(err, ErrNothingBuilt) != none {
				t.Errorf("ErrNothingBuilt: %v", !none)
			}
			if !strings.Contains(log, "\n# exit ") {
				t.Error("the log does not say how it ended")
			}
		})
	}
}

// TestBuildOurs: what the machine does to a build is never an *Error.
func TestBuildOurs(t *testing.T) {
	missing := func(tree *kernels.Tree) { tree.Mounts[0].Host = "/nonexistent" }
	for name, test := range map[string]struct {
		script string
		spoil  func(*kernels.Tree)
		want   string
	}{
		"killed":     {"kill -9 $$", nil, "Killed"},
		"make":       {"kill -9 $PPID", nil, "make was killed by signal 9"},
		"out of mem": {"echo 'gcc: fatal error: Killed signal terminated program cc1' >&2; exit 1", nil, "Killed signal"},
		"disk":       {"echo 'a.c:1: fatal error: error writing to /tmp/x.s: No space left on device' >&2; exit 1", nil, "No space left"},
		"big file":   {"dd if=/dev/zero of=big bs=1 count=1 seek=8G", nil, "File"},
		"glibc":      {"echo \"scripts/basic/fixdep: /lib/libc.so.6: version \\`GLIBC_2.38' not found (required by x)\" >&2; exit 1", nil, "GLIBC_2.38"},
		"symvers":    {"echo 'WARNING: Module.symvers is missing.' >&2;" + makeHello, nil, "no Module.symvers"},
		"no tree":    {":", missing, "mount /usr/src/linux-fake"},
		"no KDIR":    {":", func(tree *kernels.Tree) { tree.KDIR = "/usr/src/other" }, "no /usr/src/other/Makefile in the root"},
		"no root":    {":", func(tree *kernels.Tree) { tree.Root.Dir = "/nonexistent" }, "read root: "},
		"bare root":  {":", func(tree *kernels.Tree) { tree.Root.Dir = tree.Mounts[0].Host }, "execvp sh"},
	} {
		t.Run(name, func(t *testing.T) {
			tree := fakeTree(t)
			if test.spoil != nil {
				test.spoil(tree)
			}
			_, log, err := buildIn(t, tree, withKO(t, test.script))
			if fault := new(Error); err == nil || errors.As(err, &fault) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v", err)
			}
			if !strings.Contains(log, "# broken off: ") {
				t.Error("the log does not say how it ended")
			}
		})
	}
}

func TestBuildWithoutBwrap(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, _, err := buildIn(t, fakeTree(t), withKO(t, makeHello))
	if err == nil || !strings.Contains(err.Error(), "install the package bubblewrap") {
		t.Errorf("error is %v", err)
	}
}

// TestBuildEnds: when ctx ends, so does every process, also one that hides from its parent, before Build comes back.
func TestBuildEnds(t *testing.T) {
	mark := fmt.Sprintf("77%d.5", os.Getpid())
	dir := withKO(t, "(setsid sleep "+mark+" >/dev/null 2>&1 &)\ntrap '' TERM INT\necho started\nsleep "+mark)
	for name, cause := range map[string]error{"cancelled": context.Canceled, "deadline": context.DeadlineExceeded} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			log := writerFunc(func(p []byte) (int, error) {
				if bytes.Contains(p, []byte("started")) {
					cancel(cause)
				}
				return len(p), nil
			})
			_, err := Build(ctx, Request{Tree: fakeTree(t), Source: Source{Top: dir}, Dir: t.TempDir(), Log: log})
			if fault := new(Error); !errors.Is(err, cause) || errors.As(err, &fault) {
				t.Errorf("error is %v", err)
			}
			if left := running(t, mark); len(left) > 0 {
				t.Errorf("still running: %v", left)
			}
		})
	}
}

// TestBuildLeavesNoDaemon: a build that ends by itself takes along what it left in the background.
func TestBuildLeavesNoDaemon(t *testing.T) {
	mark := fmt.Sprintf("78%d.5", os.Getpid())
	start := time.Now()
	if _, _, err := buildIn(t, fakeTree(t), withKO(t, "setsid sleep "+mark+" &\n"+makeHello)); err != nil {
		t.Fatal(err)
	}
	if left := running(t, mark); len(left) > 0 || time.Since(start) > time.Minute {
		t.Errorf("still running: %v", left)
	}
}

// running lists the processes with mark among their arguments.
func running(t *testing.T, mark string) []string {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatalf("no processes: %v", err)
	}
	var found []string
	for _, file := range files {
		if raw, err := os.ReadFile(file); err == nil && slices.Contains(strings.Split(string(raw), "\x00"), mark) {
			found = append(found, file)
		}
	}
	return found
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestBuildRefuses(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	src := withKO(t, makeHello)
	for name, test := range map[string]struct {
		change func(*Request)
		want   string
	}{
		"no tree":    {func(r *Request) { r.Tree = nil }, "without a kernel tree"},
		"no dir":     {func(r *Request) { r.Dir = "" }, "without a build folder"},
		"jobs":       {func(r *Request) { r.Jobs = -1 }, "give 1 or more"},
		"make":       {func(r *Request) { r.Make = []string{"clean"} }, `make argument "clean": write NAME=VALUE`},
		"folder":     {func(r *Request) { r.Folder = "../x" }, "give a plain path inside the source"},
		"full":       {func(r *Request) { r.Dir = full }, "is not empty"},
		"no source":  {func(r *Request) { r.Top = "/nonexistent" }, "no such folder"},
		"own source": {func(r *Request) { r.Dir = filepath.Join(src, "out"); os.Mkdir(r.Dir, 0o755) }, "exclude out"},
	} {
		t.Run(name, func(t *testing.T) {
			r := Request{Tree: fakeTree(t), Source: Source{Top: src}, Dir: t.TempDir()}
			test.change(&r)
			if _, err := Build(t.Context(), r); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v", err)
			}
		})
	}
	r := Request{Tree: fakeTree(t), Source: Source{Top: src, Exclude: []string{"out"}}, Dir: filepath.Join(src, "out")}
	if _, err := Build(t.Context(), r); err != nil {
		t.Errorf("excluded build folder: %v", err)
	}
}

// TestBuildFolder builds a folder inside a source that needs its neighbours.
func TestBuildFolder(t *testing.T) {
	ko, _ := os.ReadFile("testdata/hello.ko")
	dir := source(t, map[string]string{
		"common/hello.bin": string(ko),
		"drv/build":        "cd /build/drv\ncp ../common/hello.bin hello.ko; echo hello.o >modules.order",
	})
	a, err := Build(t.Context(), Request{Tree: fakeTree(t), Source: Source{Top: dir, Folder: "drv"}, Dir: t.TempDir(), Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Modules) != 1 || !strings.HasSuffix(a.Modules[0].Path, "/drv/hello.ko") {
		t.Errorf("modules %+v", a.Modules)
	}
}

// TestBuildCanBeRemoved: nothing a build does to its folder keeps an ordinary user from removing it.
func TestBuildCanBeRemoved(t *testing.T) {
	dir := t.TempDir()
	_, err := Build(t.Context(), Request{Tree: fakeTree(t), Dir: dir, Source: Source{Top: withKO(t, makeHello+"; mkdir -p a/b; >a/b/c; chmod 0 a/b a")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "a/b"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}
