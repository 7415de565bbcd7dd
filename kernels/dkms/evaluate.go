package dkms

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

//go:embed driver.sh
var driver string

// evaluateSeconds is how much of a processor's time a dkms.conf gets.
var evaluateSeconds = 20

const (
	evaluateTime = 2 * time.Minute // for a dkms.conf as the clock goes: a host may be busy
	maxConf      = 1 << 20         // bytes of a dkms.conf
	maxSaid      = 4 << 10         // bytes of what it says that are kept
)

// Evaluate runs the package's dkms.conf for the target of tree, in the sandbox and in the target's root, and returns what it
// says there. Nothing in it can be known without: the file is bash, and asks for the kernel and its configuration.
//
// An *kbuild.Error says that dkms would refuse the file; any other error is not its fault.
func (p *Package) Evaluate(ctx context.Context, tree *kernels.Tree) (*Conf, error) {
	v, err := p.values(ctx, tree)
	if err != nil {
		return nil, err
	}
	if p.Name == "" || p.Version == "" { // now it is known where the package stands; what it says may depend on it
		if p, err = p.settled(v); err != nil {
			return nil, err
		}
		if v, err = p.values(ctx, tree); err != nil {
			return nil, err
		}
	}
	facts, err := factsOf(tree)
	if err != nil {
		return nil, err
	}
	conf, faults := readConf(v, facts, p)
	if len(faults) > 0 {
		return nil, p.lacking(tree, v.said, badConf(faults))
	}
	for _, lack := range kbuild.Lacking(tree, v.said) {
		conf.Notes = append(conf.Notes, ConfName+": "+lack.String())
	}
	return conf, nil
}

func (p *Package) settled(v values) (*Package, error) {
	known := *p
	known.Name, known.Version = v.one("PACKAGE_NAME"), v.one("PACKAGE_VERSION")
	if known.Name == "" || known.Version == "" {
		known.Name, known.Version = "module", "0" // the file will be refused for it
	}
	for _, e := range []error{checkName("PACKAGE_NAME", known.Name), checkName("PACKAGE_VERSION", known.Version)} {
		if e != nil {
			return nil, badConf([]string{e.Error()})
		}
	}
	return &known, nil
}

func badConf(faults []string) *kbuild.Error {
	reason := ConfName + ": " + faults[0]
	if len(faults) > 1 {
		reason += fmt.Sprintf(" (and %d more)", len(faults)-1)
	}
	return &kbuild.Error{Code: results.CodeBuildError, Reason: reason, Excerpt: faults}
}

func (p *Package) values(ctx context.Context, tree *kernels.Tree) (values, error) {
	dir, err := os.MkdirTemp(p.work, "dkms-conf-*")
	if err != nil {
		return values{}, fmt.Errorf("make folder to evaluate %s: %w", ConfName, err)
	}
	defer os.RemoveAll(dir)
	who := *p
	if who.Name == "" || who.Version == "" {
		who.Name, who.Version = "module", "0"
	}
	box := kbuild.Sandbox{Tree: tree, Dir: dir, Mounts: who.mounts()}
	if p.gitDir != "" {
		box.Mounts = append(box.Mounts, kernels.Mount{Host: p.gitDir, Guest: path.Join(who.source(), ".git")})
	}
	conf := path.Join(dkmsTree, who.Name, who.Version, "source", ConfName)
	if p.holder != "" {
		if conf, err = p.fillIn(dir); err != nil {
			return values{}, err
		}
	}
	limited, cancel := context.WithTimeout(ctx, evaluateTime)
	defer cancel()
	var said tail
	exit, err := box.Run(limited, &said, "bash", "-c", driver, "dkms", conf, "/build/answer", tree.Target.Release, tree.Target.Arch,
		strings.Join(directives, " "), p.Name, p.Version, strconv.Itoa(evaluateSeconds), who.source())
	switch {
	case err != nil && ctx.Err() == nil && limited.Err() != nil:
		return values{}, badConf([]string{"it does not come to its end"})
	case err != nil:
		return values{}, fmt.Errorf("evaluate %s for %s: %w", ConfName, tree.Target.Release, err)
	case exit == 127 || exit == 126:
		return values{}, fmt.Errorf("evaluate %s for %s: the root has no bash that runs: %s", ConfName, tree.Target.Release, said.first())
	case exit == 128+int(syscall.SIGXCPU):
		return values{}, badConf([]string{"it does not come to its end"})
	}
	answer, err := readAnswer(dir)
	if err != nil {
		return values{}, fmt.Errorf("evaluate %s for %s: %w", ConfName, tree.Target.Release, err)
	}
	v, err := parseAnswer(answer)
	if err != nil {
		return values{}, badConf([]string{strings.TrimSuffix(err.Error()+": "+said.first(), ": ")})
	}
	if v.said = string(said.kept); v.one("PACKAGE_NAME") == "" && said.first() != "" {
		return values{}, p.lacking(tree, v.said, badConf([]string{said.first()}))
	}
	return v, nil
}

func (p *Package) mounts() []kernels.Mount {
	return []kernels.Mount{
		{Host: p.Source, Guest: p.source()},
		{Link: p.source(), Guest: path.Join(dkmsTree, p.Name, p.Version, "source")},
	}
}

func (p *Package) fillIn(dir string) (string, error) {
	text, err := readConfFile(p.Source)
	if err != nil {
		return "", err
	}
	text = bytes.ReplaceAll(text, []byte(p.holder), []byte(p.Version))
	if err := os.WriteFile(filepath.Join(dir, ConfName), text, 0o644); err != nil {
		return "", fmt.Errorf("fill in %s: %w", ConfName, err)
	}
	return path.Join("/build", ConfName), nil
}

// readAnswer reads what the driver left in dir, if it is a file. No answer at all is an empty one.
func readAnswer(dir string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Lstat("answer")
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil, nil
	}
	f, err := kernels.OpenRegular(root, "answer")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxAnswer+1))
}

// tail keeps the beginning of what is said; the rest is let go.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[:min(len(p), maxSaid-len(t.kept))]...)
	return len(p), nil
}

// first is the first line said, without the shell's own name before it.
func (t *tail) first() string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(t.kept)), "\n")
	if _, after, ok := strings.Cut(line, ConfName+": "); ok {
		line = after
	}
	return clean(line)
}
