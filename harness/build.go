package harness

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

// built is what came of building the module for one target. All suites of the target share it.
type built struct {
	modules []kbuild.Module
	log     string // path of the build log; empty when there is none
	cached  bool
	elapsed time.Duration
	fault   *Blame // the module's
	trouble *Blame // ours
}

// build makes the module for tree, or takes it from the store when the same source was built there before.
// Only what was proven good is kept: a failure costs little to repeat, and a repeat is what its author wants. begun is
// called when the compiler is about to run.
func (r *run) build(ctx context.Context, tree *kernels.Tree, begun func()) built {
	label := Label(tree.Target)
	if err := r.cpu.acquire(ctx, r.ahead(label)); err != nil {
		return built{}
	}
	defer r.cpu.release()
	ev := Event{Kind: EventStage, Target: label, Stage: results.StageBuild}
	r.stage(ev, StateStart, "", 0)
	began := time.Now()
	b := r.buildOrReuse(ctx, tree, begun)
	b.elapsed = time.Since(began)
	if !b.cached {
		r.times.note(durationKey(r.plan.Module, Cell{label, ""}), b.elapsed)
	}
	switch {
	case b.fault != nil:
		r.stage(ev, StateFailed, b.fault.Reason, b.elapsed)
	case b.trouble != nil:
		r.stage(ev, StateFailed, b.trouble.Reason, b.elapsed)
	case b.cached:
		r.stage(ev, StateCached, "", b.elapsed)
	default:
		r.stage(ev, StateDone, "", b.elapsed)
	}
	r.learn(b.modules)
	return b
}

func (r *run) buildOrReuse(ctx context.Context, tree *kernels.Tree, begun func()) built {
	b := built{log: filepath.Join(r.work, "build-"+Label(tree.Target)+".log")}
	dir, hit, err := r.store.Fill(ctx, "builds", r.buildKey(tree), func(dir string) error {
		begun()
		return r.buildInto(ctx, dir, tree, b.log)
	})
	if err == nil {
		b.cached, b.log = hit, filepath.Join(dir, "build.log")
		b.modules, err = readModules(dir)
	}
	var fault *kbuild.Error
	switch {
	case err == nil:
	case errors.As(err, &fault):
		b.fault = &Blame{results.StageBuild, fault.Code, fault.Reason}
	default:
		b.trouble = &Blame{results.StageBuild, results.CodeInfra, err.Error()}
	}
	return b
}

// buildKey names a build by everything that it depends on.
func (r *run) buildKey(tree *kernels.Tree) string {
	data, _ := json.Marshal([]any{"v1", r.plan.Module.SourceDigest, tree.Digest, tree.Root.Digest, r.plan.Spec.Make})
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// buildInto builds in a private copy below dir and leaves there the .ko, what is known of them, and the log.
func (r *run) buildInto(ctx context.Context, dir string, tree *kernels.Tree, logPath string) error {
	log, err := os.Create(logPath)
	if err != nil {
		return fmt.Errorf("create build log: %w", err)
	}
	defer log.Close()
	src := filepath.Join(dir, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		return err
	}
	art, err := r.make(ctx, kbuild.Request{Tree: tree, Source: r.source, Exclude: notSource(r.plan.Spec), Dir: src,
		Make: r.plan.Spec.Make, Jobs: 2, Log: log})
	if err != nil {
		return err
	}
	for i, m := range art.Modules {
		name := fmt.Sprintf("%d-%s", i, filepath.Base(m.Path)) // two folders of one package may hold the same name
		if err := os.Rename(m.Path, filepath.Join(dir, name)); err != nil {
			return err
		}
		art.Modules[i].Path = name
	}
	data, err := json.MarshalIndent(art.Modules, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "modules.json"), data, 0o644); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(dir, "build.log"), logPath); err != nil {
		return err
	}
	title := r.plan.Module.Name + " for " + Label(tree.Target)
	if err := os.WriteFile(filepath.Join(dir, kernels.TitleFile), []byte(title), 0o644); err != nil {
		return err
	}
	return os.RemoveAll(src)
}

func readModules(dir string) ([]kbuild.Module, error) {
	data, err := os.ReadFile(filepath.Join(dir, "modules.json"))
	if err != nil {
		return nil, fmt.Errorf("read build: %w", err)
	}
	var modules []kbuild.Module
	if err := json.Unmarshal(data, &modules); err != nil {
		return nil, fmt.Errorf("read build: %w", err)
	}
	for i := range modules {
		modules[i].Path = filepath.Join(dir, modules[i].Path)
	}
	return modules, nil
}

// learn takes the module's name and version from the first .ko that was built: the folder's name was a guess.
func (r *run) learn(modules []kbuild.Module) {
	if len(modules) == 0 {
		return
	}
	last := modules[len(modules)-1] // in load order: what the others are there for
	r.mu.Lock()
	before := r.module
	if r.module.Version == "" {
		r.module.Name, r.module.Version = last.Name, last.Version
	}
	learned := r.module != before
	r.mu.Unlock()
	if learned {
		r.noteHead()
	}
}
