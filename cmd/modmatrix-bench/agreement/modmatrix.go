package agreement

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// The files of an entry in the store: the answer of a side, and the log of its build.
const (
	sideFile = "side.json"
	logFile  = "build.log"
)

// build has one side build a package; its log is left in dir.
type build func(ctx context.Context, dir string, s subject, tree *kernels.Tree) (Side, error)

// once asks a side within the time for one build, or returns its answer to the same key: all that it depends on.
func (c *comparison) once(ctx context.Context, who string, key []string, s subject, tree *kernels.Tree, build build) (Side, error) {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	key = append(key, tree.Digest, tree.Root.Digest)
	id := fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(key, "\n"))))
	dir, hit, err := c.store.Fill(ctx, "agreement", id, func(dir string) error {
		side, err := build(ctx, dir, s, tree)
		if err != nil {
			return err
		}
		title := fmt.Sprintf("%s build of %s %s for %s\n", who, s.deb.Name, s.deb.Version, tree.Target.Release)
		return errors.Join(measure.Save(filepath.Join(dir, sideFile), side), store.SetTitle(dir, title))
	})
	if err != nil {
		return Side{}, err
	}
	var side Side
	text, err := os.ReadFile(filepath.Join(dir, sideFile))
	if err == nil {
		err = json.Unmarshal(text, &side)
	}
	slices.Sort(side.Modules)
	side.Cached, side.Log = hit, filepath.Join(dir, logFile)
	return side, err
}

func (c *comparison) askModmatrix(ctx context.Context, s subject, tree *kernels.Tree) (Side, error) {
	return c.once(ctx, "modmatrix", []string{"modmatrix v1", c.self, s.deb.SHA256}, s, tree, c.runModmatrix)
}

// runModmatrix builds the package as a run does.
func (c *comparison) runModmatrix(ctx context.Context, dir string, s subject, tree *kernels.Tree) (Side, error) {
	source := filepath.Join(dir, "source")
	log, err := os.Create(filepath.Join(dir, logFile))
	if err == nil {
		defer log.Close()
		err = os.Mkdir(source, 0o755)
	}
	if err != nil {
		return Side{}, err
	}
	defer store.RemoveTree(source)
	pkg := *s.pkg // Evaluate may fill in its name
	began := time.Now()
	conf, err := pkg.Evaluate(ctx, tree)
	if err == nil && len(conf.Depends) > 0 {
		return Side{Verdict: broken, Reason: "needs " + strings.Join(conf.Depends, ", ") + " (BUILD_DEPENDS), which is not there"}, nil
	}
	var art *kbuild.Artifact
	if err == nil {
		art, err = dkms.Build(ctx, dkms.Request{Tree: tree, Package: &pkg, Conf: conf, Dir: source, Jobs: c.Jobs, Log: log})
	}
	if ctx.Err() != nil {
		return Side{}, ctx.Err()
	}
	side := modmatrixSide(err)
	side.Seconds = time.Since(began).Seconds()
	if err == nil {
		side.Modules = installedNames(conf, art)
	}
	return side, nil
}

func modmatrixSide(err error) Side {
	var excluded *dkms.SkipError
	var fault *kbuild.Error
	switch {
	case err == nil:
		return Side{Verdict: ok}
	case errors.As(err, &excluded):
		return Side{Verdict: skip, Reason: excluded.Condition}
	case errors.As(err, &fault):
		return Side{Verdict: fail, Reason: fault.Error()}
	}
	return Side{Verdict: broken, Reason: err.Error()}
}

func installedNames(conf *dkms.Conf, art *kbuild.Artifact) (names []string) {
	for _, m := range art.Modules {
		name := strings.TrimSuffix(filepath.Base(m.Path), ".ko")
		if i := slices.IndexFunc(conf.Modules, func(listed dkms.Module) bool { return listed.Name == name }); i >= 0 {
			name = conf.Modules[i].DestName
		}
		names = append(names, name)
	}
	return names
}
