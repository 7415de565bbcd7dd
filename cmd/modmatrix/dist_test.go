package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
)

// TestRealDist looks at what make dist left in the folder MODMATRIX_TEST_DIST, as make dist-check has it do.
func TestRealDist(t *testing.T) {
	dist := os.Getenv("MODMATRIX_TEST_DIST")
	if dist == "" {
		t.Skip("looks at a release: make dist-check")
	}
	one := func(pattern string) string {
		found, err := filepath.Glob(filepath.Join(dist, pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		return found[0]
	}
	t.Run("sums", func(t *testing.T) { checkSums(t, dist) })
	root := t.TempDir()
	t.Run("tarball", func(t *testing.T) { checkTarball(t, one("*.tar.gz"), root) })
	t.Run("deb", func(t *testing.T) { checkDeb(t, one("*.deb")) })
	t.Run("rpm", func(t *testing.T) { checkRPM(t, one("*.rpm")) })
	t.Run("without Go", func(t *testing.T) { runReleased(t, filepath.Join(root, "bin", "modmatrix")) })
	t.Run("with Go", func(t *testing.T) { compileReleased(t, filepath.Join(root, "bin", "modmatrix")) })
}

// A folder of something else is not made a release: nothing in it is touched.
func TestDistSparesWhatIsNoRelease(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "thesis")
	if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(repository, "contrib/release/dist"), dir).CombinedOutput()
	if text, _ := os.ReadFile(file); err == nil || string(text) != "mine" || !strings.Contains(string(out), "holds what is no release") {
		t.Errorf("%v\n%s", err, out)
	}
}

// checkSums holds SHA256SUMS to every file beside it.
func checkSums(t *testing.T, dist string) {
	text, err := os.ReadFile(filepath.Join(dist, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dist)
	if err != nil || len(entries) != 5 {
		t.Errorf("%v, %v", entries, err)
	}
	var want strings.Builder
	for _, e := range entries {
		if e.Name() == "SHA256SUMS" {
			continue
		}
		sum, err := kernels.FileSHA256(filepath.Join(dist, e.Name()))
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(&want, "%s  %s\n", sum, e.Name())
	}
	if string(text) != want.String() {
		t.Errorf("SHA256SUMS says\n%snot\n%s", text, want.String())
	}
}

// installed are files that every form of a release has, below its prefix; zsh looks elsewhere on Debian.
func installed() []string {
	files := []string{"bin/modmatrix", "share/bash-completion/completions/modmatrix", "share/fish/vendor_completions.d/modmatrix.fish",
		"share/doc/modmatrix/README.md", "share/doc/modmatrix/docs/verdicts.md", "share/modmatrix/source/go.mod", "share/modmatrix/source/suites/doc.go"}
	for _, cmd := range rootCommand(Env{Stdout: &output{file: os.Stdout}, Stderr: &output{file: os.Stderr}}).Commands() {
		if cmd.IsAvailableCommand() {
			files = append(files, "share/man/man1/modmatrix-"+cmd.Name()+".1.gz")
		}
	}
	return append(files, "share/man/man1/modmatrix.1.gz")
}

// checkTarball unpacks it into root, without the folder that all of it is in.
func checkTarball(t *testing.T, path, root string) {
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	top := strings.TrimSuffix(filepath.Base(path), ".tar.gz")
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(top, h.Name)
		if err != nil || !filepath.IsLocal(rel) || h.Uid != 0 || h.Gid != 0 || h.Mode&0o022 != 0 {
			t.Fatalf("%+v: %v", h, err)
		}
		to := filepath.Join(root, rel)
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(to, 0o755)
		} else {
			var data []byte
			data, err = io.ReadAll(r)
			err = errors.Join(err, os.WriteFile(to, data, os.FileMode(h.Mode)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range append(installed(), "share/zsh/site-functions/_modmatrix") {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
}

// needs are the packages, or the files, of a list of the Makefile.
func needs(t *testing.T, list string, field int) (all []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n"+list+" := ")
	for _, need := range regexp.MustCompile(`(?m)^.*?(\S+:/\S+:\w+)( \\)?$|^\$\((\w+)\) \\$`).FindAllStringSubmatch(strings.TrimLeft(rest, "\\\n"), -1) {
		if need[3] != "" {
			all = append(all, needs(t, need[3], field)...)
			continue
		}
		all = append(all, strings.Split(need[1], ":")[field])
		if need[2] == "" {
			break
		}
	}
	return all
}

func said(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func checkDeb(t *testing.T, path string) {
	want := strings.Join(needs(t, "RUN_NEEDS", 0), ", ")
	if got := strings.TrimSpace(said(t, "dpkg-deb", "-f", path, "Depends")); got != want || want == "" {
		t.Errorf("it depends on %s, not on %s", got, want)
	}
	list := said(t, "dpkg-deb", "-c", path)
	for _, name := range append(installed(), "share/zsh/vendor-completions/_modmatrix") {
		if !strings.Contains(list, " ./usr/"+name+"\n") {
			t.Errorf("it lacks /usr/%s:\n%s", name, list)
		}
	}
}

func checkRPM(t *testing.T, path string) {
	requires := strings.Fields(said(t, "rpm", "-qp", "--requires", path))
	for _, file := range needs(t, "RPM_NEEDS", 1) {
		if !slices.Contains(requires, file) {
			t.Errorf("it does not require %s", file)
		}
	}
	list := said(t, "rpm", "-qlp", path)
	for _, name := range append(installed(), "share/zsh/site-functions/_modmatrix") {
		if !strings.Contains(list, "/usr/"+name+"\n") {
			t.Errorf("it lacks /usr/%s:\n%s", name, list)
		}
	}
	for line := range strings.Lines(list) {
		if slices.Contains([]string{"/usr", "/usr/bin", "/usr/share", "/usr/share/man/man1", "/usr/share/doc"}, strings.TrimSpace(line)) {
			t.Errorf("it claims %s, which others have, too", line)
		}
	}
}

// bare is the environment of somebody without Go, our source or settings.
func bare(t *testing.T) []string {
	for _, dir := range []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin"} {
		if _, err := os.Stat(filepath.Join(dir, "go")); err == nil {
			t.Fatalf("there is a go in %s", dir)
		}
	}
	env := []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + t.TempDir()}
	if cache := os.Getenv("MODMATRIX_CACHE"); cache != "" {
		env = append(env, "MODMATRIX_CACHE="+cache)
	} else if cache, err := os.UserCacheDir(); err == nil { // kernels that are there already
		env = append(env, "XDG_CACHE_HOME="+cache)
	}
	return env
}

// runReleased runs the example driver, without its suites, on a real kernel.
func runReleased(t *testing.T, binary string) {
	exe, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	if libs, err := exe.ImportedLibraries(); len(libs) > 0 || err != nil || exe.Section(".interp") != nil {
		t.Errorf("it is not static: %v, %v", libs, err)
	}
	env := bare(t)
	dir := filepath.Join(t.TempDir(), "driver")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(repository, "suites/example/driver"))); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "suites")), os.Remove(filepath.Join(dir, "modmatrix.toml"))); err != nil {
		t.Fatal(err)
	}
	call := func(code int, want string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		t.Logf("$ modmatrix %s\n%s", strings.Join(args, " "), out)
		if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(string(out), want) {
			t.Errorf("modmatrix %s: exit code %d, %v; want %d and %q", args, got, err, code, want)
		}
	}
	call(0, "carried by this release", "doctor")
	call(0, "1 kernel passes", "run", "-k", "debian:bookworm/cloud-amd64", "--no-cache")
	own := filepath.Join(dir, "suites", "own")
	if err := os.CopyFS(own, os.DirFS(filepath.Join(repository, "suites/example/driver/suites/fifo"))); err != nil {
		t.Fatal(err)
	}
	call(2, "modmatrix: suite own has to be compiled: no go command on PATH: install Go 1.26 or later\n", "run", "-k", "debian:bookworm/cloud-amd64", "--suite", "suites/own")
}

// compileReleased compiles the suite that init writes, against the source that was installed with the release.
func compileReleased(t *testing.T, binary string) {
	dir := t.TempDir()
	cmd := exec.Command(binary, "init", dir)
	cmd.Env = append(os.Environ(), "MODMATRIX_SOURCE=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("init: %v\n%s", err, out)
	}
	file, err := os.Open(filepath.Join(dir, "suites", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var replaced string
	for s := bufio.NewScanner(file); s.Scan(); {
		if strings.HasPrefix(s.Text(), "replace ") {
			replaced = s.Text()
		}
	}
	if !strings.HasSuffix(replaced, "/share/modmatrix/source") {
		t.Errorf("suites are compiled against %q", replaced)
	}
	cmd = exec.Command("go", "test", "-c", "-o", os.DevNull, ".")
	cmd.Dir = filepath.Join(dir, "suites", "first")
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("compile what init wrote: %v\n%s", err, out)
	}
}
