package initramfs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
)

// guestWork is where go's own folder stands in the sandbox: nowhere that a module's could.
const guestWork = "/.modmatrix"

// maxSaid bounds what is kept of go's words, in bytes.
const maxSaid = 1 << 20

// goFor is go for one package.
type goFor struct {
	Suites
	tools  goTools
	module *goModule
}

// findGo finds what there is to compile the package in dir with.
func (s Suites) findGo(ctx context.Context, dir string) (*goFor, error) {
	tools, err := askGo(ctx, "/")
	if err != nil {
		return nil, err
	}
	m, err := findModule(dir)
	return &goFor{s, tools, m}, err
}

// run runs go, after the command before, in a sandbox in which it may write to work. What the module requires and is not here is
// downloaded first, unless that is forbidden.
func (g *goFor) run(ctx context.Context, work string, before []string, args ...string) error {
	box, cache, err := g.box(g.tools, g.module, work)
	if err != nil {
		return fmt.Errorf("ready folder for go: %w", err)
	}
	command := slices.Concat(before, []string{filepath.Join(g.tools.GOROOT, "bin/go"), args[0], "-C", g.module.dir}, args[1:])
	said, exit, err := runBox(ctx, box, cache, command)
	missing := err == nil && exit != 0 && missingModule.MatchString(said)
	if missing && !g.Offline {
		if err = g.module.download(ctx, g.tools); err == nil {
			said, exit, err = runBox(ctx, box, cache, command)
		}
	}
	switch {
	case missing && g.Offline:
		return fmt.Errorf("a module that it requires is not in Go's module cache, and the network is not to be used: %w", &CompileError{said})
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, sandbox.ErrNotMade):
		return fmt.Errorf("run go in sandbox: %w: %s", err, said)
	case err != nil:
		return err
	case exit != 0:
		return &CompileError{said}
	}
	return nil
}

// missingModule is what go says of a module that it would have to download, into a cache that it may not write to.
var missingModule = regexp.MustCompile(`module lookup disabled by GOPROXY=off|read-only file system`)

// box is the sandbox that go runs in, and the cache that it has there.
func (s Suites) box(tools goTools, m *goModule, work string) (sandbox.Box, goCache, error) {
	cache := goCache{own: s.own(m), base: tools.GOCACHE}
	if err := errors.Join(os.MkdirAll(cache.own, 0o755), os.MkdirAll(tools.GOMODCACHE, 0o755)); err != nil {
		return sandbox.Box{}, cache, err
	}
	box := sandbox.Box{Dir: work, At: guestWork, Mounts: []kernels.Mount{{Host: cache.own, Guest: guestOwnCache}}}
	if info, err := os.Stat(cache.base); err == nil && info.IsDir() {
		box.Mounts = append(box.Mounts, kernels.Mount{Host: cache.base, Guest: guestBaseCache})
	}
	var seen []string
	for _, folder := range append([]string{tools.GOROOT, tools.GOMODCACHE}, m.folders...) {
		if !slices.ContainsFunc(seen, func(other string) bool { return isBelow(folder, other) }) {
			seen = append(seen, folder)
			box.Mounts = append(box.Mounts, kernels.Mount{Host: folder, Guest: folder})
		}
	}
	box.Env = [][2]string{
		{"GOROOT", tools.GOROOT}, {"GOMODCACHE", tools.GOMODCACHE}, {"GOCACHE", "/tmp/gocache"},
		{"GOCACHEPROG", "sh " + guestWork + "/" + cacheScript},
		{"GOENV", "off"}, {"GOFLAGS", ""}, {"GOWORK", m.work}, {"GOTOOLCHAIN", "local"},
		{"GOPROXY", "off"}, {"GOSUMDB", "off"}, {"GOVCS", "*:off"}, {"GOTELEMETRY", "off"},
	}
	for _, e := range guestEnv(s.of()) {
		name, value, _ := strings.Cut(e, "=")
		box.Env = append(box.Env, [2]string{name, value})
	}
	return box, cache, nil
}

// own is the folder of what is kept for the repository of m.
func (s Suites) own(m *goModule) string {
	sum := sha256.Sum256([]byte(m.within))
	return filepath.Join(s.Cache, fmt.Sprintf("%x", sum[:8]))
}

// runBox runs a command of go's, and returns what it says and its exit code.
func runBox(ctx context.Context, box sandbox.Box, cache goCache, command []string) (said string, exit int, err error) {
	stop, err := cache.serve(box.Dir)
	if err != nil {
		return "", 0, fmt.Errorf("serve go's cache: %w", err)
	}
	defer stop()
	var out head
	exit, err = box.Run(ctx, &out, command...)
	return string(out), exit, err
}

// head keeps the beginning of what is written to it.
type head []byte

func (h *head) Write(p []byte) (int, error) {
	*h = append(*h, p[:min(len(p), maxSaid-len(*h))]...)
	return len(p), nil
}

// download gets what the module requires into Go's module cache, by this user's proxies, and verified as usual. go obeys
// nothing else of the module meanwhile: it has copies of its go.mod and go.sum, and no other file.
func (m *goModule) download(ctx context.Context, tools goTools) error {
	dir, err := os.MkdirTemp("", "modmatrix-download-*")
	if err != nil {
		return fmt.Errorf("make folder to download in: %w", err)
	}
	defer os.RemoveAll(dir)
	for _, folder := range m.folders {
		for _, name := range []string{"go.mod", "go.sum", "go.work", "go.work.sum"} {
			data, err := kernels.ReadFileIn(folder, name, maxGoMod)
			if err != nil {
				continue // go says what is wrong with it
			}
			to := filepath.Join(dir, folder, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, data, 0o644)); err != nil {
				return fmt.Errorf("copy %s: %w", name, err)
			}
		}
	}
	cmd := exec.CommandContext(ctx, "go", "mod", "download")
	cmd.Dir = filepath.Join(dir, m.root)
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOTOOLCHAIN=local", "GOWORK=off")
	if m.work != "off" {
		cmd.Env = append(cmd.Env, "GOWORK="+filepath.Join(dir, m.work))
	}
	if tools.GOVCS == "" { // no program of a version control system runs at a stranger's word
		cmd.Env = append(cmd.Env, "GOVCS=public:off,private:all")
	}
	said, err := cmd.CombinedOutput()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		return &CompileError{string(bytes.ReplaceAll(said, []byte(dir), nil))}
	}
	return err
}
