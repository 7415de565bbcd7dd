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
	"slices"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

// built is what came of building the module for one target. All suites of the target share it.
type built struct {
	product
	inTree   []results.InTree
	depends  []kbuild.Module // of the packages that it builds upon, in load order
	log      string          // path of the build log; empty when there is none
	cached   bool
	elapsed  time.Duration
	excluded string       // the module does not want this target, on this condition
	deferred string       // the kernel's own copy is preferred, for this reason
	fault    *judge.Blame // the module's
	trouble  *judge.Blame // ours
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
	ev := results.Event{Kind: results.EventStage, Target: label, Stage: results.StageBuild}
	r.stage(ev, results.StateStart, "", 0)
	began := time.Now()
	b := r.buildInTime(ctx, tree, begun)
	b.elapsed = time.Since(began)
	if !b.cached {
		r.times.note(durationKey(r.plan, results.Cell{Target: label, Suite: ""}), b.elapsed)
	}
	switch {
	case b.excluded != "":
		r.stage(ev, results.StateFailed, "excluded: "+b.excluded, b.elapsed)
	case b.fault != nil:
		r.stage(ev, results.StateFailed, b.fault.Reason, b.elapsed)
	case b.trouble != nil:
		r.stage(ev, results.StateFailed, b.trouble.Reason, b.elapsed)
	case b.cached:
		r.stage(ev, results.StateCached, "", b.elapsed)
	default:
		r.stage(ev, results.StateDone, "", b.elapsed)
	}
	r.learn(b.Modules)
	return b
}

// errTooLong ends a build that does not end by itself.
var errTooLong = errors.New("the build did not end")

// buildInTime ends a build that does not end: of a Makefile that waits for ever nothing would ever be heard.
func (r *run) buildInTime(ctx context.Context, tree *kernels.Tree, begun func()) built {
	limit := r.limits(r.plan.Spec).build
	if limit <= 0 {
		return r.buildOrReuse(ctx, tree, begun)
	}
	timed, cancel := context.WithTimeoutCause(ctx, limit, errTooLong)
	defer cancel()
	b := r.buildOrReuse(timed, tree, begun)
	if context.Cause(timed) == errTooLong && len(b.Modules) == 0 {
		b.fault, b.excluded = nil, ""
		b.trouble = &judge.Blame{Stage: results.StageBuild, Code: results.CodeTimeout, Reason: fmt.Sprintf("the build was not through after %v", limit)}
	}
	return b
}

// buildOrReuse gives what came of building for tree.
func (r *run) buildOrReuse(ctx context.Context, tree *kernels.Tree, begun func()) built {
	b := built{log: filepath.Join(r.work, "build-"+Label(tree.Target)+".log")}
	err := r.obtain(ctx, tree, begun, &b)
	if _, none := os.Stat(b.log); none != nil { // nothing was begun, so nothing was said
		b.log = ""
	}
	var fault *kbuild.Error
	var excluded *dkms.SkipError
	switch {
	case err == nil:
		return b
	case errors.As(err, &excluded):
		b.excluded = excluded.Condition
	case errors.As(err, &fault):
		b.fault = &judge.Blame{Stage: results.StageBuild, Code: fault.Code, Reason: fault.Reason}
	default:
		b.trouble = r.ours(results.StageBuild, err)
	}
	b.Modules = nil // nobody loads what cannot be relied upon
	return b
}

// obtain builds for tree, or finds what was built, and fills b in.
func (r *run) obtain(ctx context.Context, tree *kernels.Tree, begun func(), b *built) error {
	depends, symbols, err := r.dependencies(ctx, tree)
	if err != nil {
		return err
	}
	var dir string
	source := packed{r.plan.in.module, r.plan.Module.SourceDigest}
	dir, b.cached, err = r.store.Fill(ctx, "builds", r.buildKey(tree, source, symbols), func(dir string) error {
		begun()
		conf, err := r.confOfOne(ctx, tree)
		if err != nil {
			return err
		}
		return r.buildInto(ctx, dir, tree, source, conf, symbols, b.log)
	})
	if err != nil {
		return err
	}
	b.log, b.depends = filepath.Join(dir, "build.log"), depends
	if b.product, err = readProduct(dir); err != nil {
		return err
	}
	if err := loadable(slices.Concat(depends, b.Modules)); err != nil {
		return err
	}
	b.Notes = append(b.Notes, untaken(b.Modules, r.plan.Spec.Params)...)
	return r.compareInTree(tree, b)
}

// compareInTree looks what the kernel brings of the module itself, and gives way to it where that is wanted.
func (r *run) compareInTree(tree *kernels.Tree, b *built) (err error) {
	if b.inTree, err = inTree(tree, b.Modules); err != nil {
		return err
	}
	b.Notes = append(b.Notes, inTreeNotes(b.inTree)...)
	if r.plan.Spec.DeferInTree {
		b.deferred = deferred(b.Modules, b.inTree)
	}
	return nil
}

// buildKey names a build by everything that it depends on.
func (r *run) buildKey(tree *kernels.Tree, source packed, symbols []string) string {
	data, _ := json.Marshal([]any{"v2", source.digest, tree.Digest, tree.Root.Digest, r.plan.Spec.Make, symbols})
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// product is what a build left, as it is kept in the store.
type product struct {
	Modules []kbuild.Module `json:"modules"` // in load order
	Notes   []string        `json:"notes"`   // what a person should know of how they were built
}

const productFile = "product.json"

// buildInto builds in a private copy below dir and leaves there the .ko, what is known of them, and the log.
func (r *run) buildInto(ctx context.Context, dir string, tree *kernels.Tree, source packed, conf *dkms.Conf, symbols []string, logPath string) error {
	log, err := os.Create(logPath)
	if err != nil {
		return fmt.Errorf("create build log: %w", err)
	}
	defer log.Close()
	src := filepath.Join(dir, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		return err
	}
	art, err := r.compileModule(ctx, tree, source.Package, conf, src, symbols, log)
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
	data, err := json.MarshalIndent(product{art.Modules, art.Notes}, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, productFile), data, 0o644); err != nil {
		return err
	}
	if err := errors.Join(keepSymvers(dir, art), copyFile(filepath.Join(dir, "build.log"), logPath)); err != nil {
		return err
	}
	if err := title(dir, source.title()+" for "+Label(tree.Target)); err != nil {
		return err
	}
	return os.RemoveAll(src)
}

func readProduct(dir string) (p product, err error) {
	data, err := os.ReadFile(filepath.Join(dir, productFile))
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err != nil {
		return p, fmt.Errorf("read build: %w", err)
	}
	for i := range p.Modules {
		p.Modules[i].Path = filepath.Join(dir, p.Modules[i].Path)
	}
	return p, nil
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
