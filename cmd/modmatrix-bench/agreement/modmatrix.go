package agreement

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
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

// once asks a side within the time for one build, or returns its answer when everything was the same before: key is all that
// it depends on.
func (c *comparison) once(ctx context.Context, key []string, title string, ask func(ctx context.Context, dir string) (Side, error)) (Side, error) {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	sum := sha256.Sum256([]byte(strings.Join(key, "\n")))
	dir, hit, err := c.store.Fill(ctx, "agreement", hex.EncodeToString(sum[:]), func(dir string) error {
		s, err := ask(ctx, dir)
		if err != nil {
			return err
		}
		return errors.Join(measure.Save(filepath.Join(dir, sideFile), s),
			os.WriteFile(filepath.Join(dir, store.TitleFile), []byte(title+"\n"), 0o644))
	})
	if err != nil {
		return Side{}, err
	}
	var s Side
	text, err := os.ReadFile(filepath.Join(dir, sideFile))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	slices.Sort(s.Modules)
	s.Cached, s.Log = hit, filepath.Join(dir, logFile)
	return s, err
}

// askModmatrix builds the package as a run does, unless this very program did before.
func (c *comparison) askModmatrix(ctx context.Context, s subject, tree *kernels.Tree) (Side, error) {
	key := []string{"modmatrix v1", c.self, s.deb.SHA256, tree.Digest, tree.Root.Digest}
	return c.once(ctx, key, "modmatrix build of "+s.deb.Name+" "+s.deb.Version+" for "+tree.Target.Release, func(ctx context.Context, dir string) (Side, error) {
		return c.runModmatrix(ctx, dir, s, tree)
	})
}

// runModmatrix leaves the log of the build in dir, and nothing else.
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

// modmatrixSide is what the product's error means.
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

// installedNames names the modules as dkms keeps them.
func installedNames(conf *dkms.Conf, art *kbuild.Artifact) (names []string) {
	for _, m := range art.Modules {
		name := strings.TrimSuffix(filepath.Base(m.Path), ".ko")
		for _, listed := range conf.Modules {
			if listed.Name == name {
				name = listed.DestName
				break
			}
		}
		names = append(names, name)
	}
	return names
}
