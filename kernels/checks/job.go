package checks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

// scriptsAt is where the kernel's scripts stand in the sandbox.
const scriptsAt = "/kernel"

// job is a Request under way.
type job struct {
	Request
	log   io.Writer
	copy  string   // host folder of the copy that tools read
	all   []string // the files of the copy, below it
	files []string // those that are checked: C sources and headers in the module's folder, below the copy
	built *kbuild.Artifact
}

func newJob(ctx context.Context, r Request, log io.Writer) (*job, error) {
	j := &job{Request: r, log: log, copy: filepath.Join(r.Dir, "source")}
	if err := os.Mkdir(j.copy, 0o755); err != nil {
		return nil, fmt.Errorf("make folder to check in: %w", err)
	}
	if _, err := r.Source.Copy(ctx, j.copy); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(j.copy)
	if err != nil {
		return nil, fmt.Errorf("open copy: %w", err)
	}
	defer root.Close()
	kept := r.Source
	kept.Omit = slices.Concat(kept.Omit, r.Exclude)
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		j.all = append(j.all, name)
		if isSource(name) && kept.Has(name) && j.inFolder(name) {
			j.files = append(j.files, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list copy: %w", err)
	}
	slices.Sort(j.all)
	slices.Sort(j.files)
	return j, nil
}

// isSource reports whether a file is C that a person wrote: what modpost writes beside a module is not.
func isSource(name string) bool {
	ext := path.Ext(name)
	return (ext == ".c" || ext == ".h") && !strings.HasSuffix(name, ".mod.c") && !strings.HasPrefix(path.Base(name), ".")
}

func (j *job) inFolder(name string) bool {
	folder := path.Clean(j.Source.Folder)
	return folder == "." || strings.HasPrefix(name, folder+"/")
}

// shown is a file of the copy as a finding names it: below the module's folder.
func (j *job) shown(name string) string {
	if folder := path.Clean(j.Source.Folder); folder != "." {
		return strings.TrimPrefix(name, folder+"/")
	}
	return name
}

// find is the file of the copy that a tool or a compiler names; empty where it is none. A build names files by where the copy stood, which
// is not always the same.
func (j *job) find(name string) string {
	if j.ofKernel(name) {
		return ""
	}
	absolute := path.IsAbs(name)
	for at := strings.TrimPrefix(path.Clean(name), "/"); at != ""; _, at, _ = strings.Cut(at, "/") {
		for _, candidate := range []string{at, path.Join(j.Source.Folder, at)} {
			if _, ok := slices.BinarySearch(j.all, candidate); ok {
				return candidate
			}
		}
		if !absolute {
			break
		}
	}
	return ""
}

// ofKernel reports whether a compiler that names a file means one of the kernel's.
func (j *job) ofKernel(name string) bool {
	return strings.HasPrefix(name, "/usr/src/linux-") || strings.HasPrefix(name, j.Tree.KDIR+"/")
}

// splitPlace is file:line in two; the line is 0 where there is none.
func splitPlace(where string) (file string, line int) {
	file, number, _ := strings.Cut(where, ":")
	line, _ = strconv.Atoi(number)
	return file, line
}

// box is where a tool runs: in a copy of the source of its own, or in an empty folder.
func (j *job) box(dir string) kbuild.Sandbox {
	s := kbuild.Sandbox{Tree: j.Tree, Dir: dir}
	if j.Scripts.Dir != "" {
		s.Mounts = []kernels.Mount{{Host: j.Scripts.Dir, Guest: scriptsAt}}
	}
	return s
}

// bounded keeps the beginning of what is written to it, and passes all of that on.
type bounded struct {
	bytes.Buffer
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxOutput - b.Len(); len(p) > room {
		b.over = true
		b.Buffer.Write(p[:room])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

var errTooMuch = fmt.Errorf("it said more than %d MiB", maxOutput>>20)

// output runs a command in the copy of the source, and returns what it said and its exit code. A command that a signal ended is an error.
func (j *job) output(ctx context.Context, command ...string) ([]byte, int, error) {
	return j.outputIn(ctx, j.box(j.copy), command...)
}

func (j *job) outputIn(ctx context.Context, box kbuild.Sandbox, command ...string) ([]byte, int, error) {
	var out bounded
	exit, err := box.Run(ctx, &out, command...)
	j.log.Write(out.Bytes())
	switch {
	case err != nil:
		return nil, 0, err
	case out.over:
		return nil, 0, errTooMuch
	case exit > 128 && exit < 160:
		return nil, 0, fmt.Errorf("it ended with exit code %d, as by signal %d", exit, exit-128)
	}
	return out.Bytes(), exit, nil
}

// build builds the module anew with further variables, and returns what make said. A build that the module is at fault for is no error: it
// is res.Fault.
func (j *job) build(ctx context.Context, res *Result, vars ...string) ([]byte, *kbuild.Artifact, error) {
	dir, err := os.MkdirTemp(j.Dir, "build-")
	if err != nil {
		return nil, nil, err
	}
	var said bounded
	art, err := j.Build(ctx, dir, vars, &said)
	j.log.Write(said.Bytes())
	fault := (*kbuild.Error)(nil)
	switch {
	case errors.As(err, &fault):
		res.Fault = fault.Reason
	case err != nil:
		return nil, nil, err
	case said.over:
		return nil, nil, errTooMuch
	}
	return said.Bytes(), art, nil
}

// take adds what was found in files that are checked, and counts what was found in the kernel's own.
func (j *job) take(res *Result, found []results.Finding) {
	seen := map[results.Finding]bool{}
	for _, f := range found {
		if file, line := splitPlace(f.Where); file != "" {
			at := j.find(file)
			if _, checked := slices.BinarySearch(j.files, at); !checked {
				if at == "" && (j.ofKernel(file) || !path.IsAbs(file)) {
					res.Noise++
				}
				continue
			}
			f.Where = j.shown(at)
			if line > 0 {
				f.Where += ":" + strconv.Itoa(line)
			}
		}
		if f.Message = oneLine(f.Message); !seen[f] {
			seen[f] = true
			res.Findings = append(res.Findings, f)
		}
	}
}

// lines calls do with each line of out, without its end.
func lines(out []byte, do func(line string)) {
	for raw := range bytes.Lines(out) {
		do(strings.TrimRight(string(raw), "\r\n"))
	}
}

// read returns the text of a file of the copy.
func (j *job) read(name string) ([]byte, error) {
	root, err := os.OpenRoot(j.copy)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return kernels.ReadRegular(root, name, maxRead)
}

// maxRead is the largest file that is read as text, in bytes: larger ones were generated.
const maxRead = 8 << 20
