package harness

import (
	"cmp"
	"context"
	"crypto/sha256"
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
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

// built is the result of building the module for one target. All suites of the target share it.
type built struct {
	product
	predicted []results.Prediction // of modules that were not built here
	inTree    []results.InTree
	depends   []kbuild.Module // of the packages that it builds upon, in load order
	spare     []kbuild.Module // built, and loaded only where the kernel asks for one
	firmware  []firmware      // that guests have
	log       string          // path of the build log; empty when there is none
	cached    bool
	elapsed   time.Duration
	excluded  string       // the module does not want this target, on this condition
	deferred  string       // the kernel's own copy is preferred, for this reason
	fault     *judge.Blame // the module's
	trouble   *judge.Blame // the infrastructure's
}

// builder builds the module of one run, and the packages that it depends on, for any target.
type builder struct {
	h     *Harness
	plan  *Plan
	work  string // the run's own folder, for logs
	cpu   *slots
	times *durations
	order *order
	infra func(results.Stage, error) *judge.Blame // what to make of infrastructure trouble
}

// build makes the module for tree, or takes it from the store. Only what was proven good is kept: a failure costs little to
// repeat, and its author wants the repeat. begun is called when the compiler is about to run.
func (bd *builder) build(ctx context.Context, tree *kernels.Tree, begun func()) built {
	label := Label(tree.Target)
	if err := bd.cpu.acquire(ctx, bd.order.target(label)); err != nil {
		return built{}
	}
	defer bd.cpu.release()
	ev := results.Event{Kind: results.EventStage, Target: label, Stage: results.StageBuild}
	bd.h.stage(ev, results.StateStart, "", 0)
	began := time.Now()
	b := bd.buildInTime(ctx, tree, begun)
	if bd.plan.in.binaries == nil { // else nothing was built, and a look at a file is no time to speak of
		b.elapsed = time.Since(began)
	}
	if !b.cached && b.elapsed > 0 {
		bd.times.note(durationKey(bd.plan, results.Cell{Target: label, Suite: ""}), b.elapsed)
	}
	blame := cmp.Or(b.fault, b.trouble)
	switch {
	case b.excluded != "":
		bd.h.stage(ev, results.StateFailed, "excluded: "+b.excluded, b.elapsed)
	case blame != nil:
		bd.h.stage(ev, results.StateFailed, blame.Reason, b.elapsed)
	case b.cached:
		bd.h.stage(ev, results.StateCached, "", b.elapsed)
	default:
		text := ""
		if o := b.objects(); o != nil && o.Reused > 0 {
			text = fmt.Sprintf("%d of %d objects from earlier builds", o.Reused, o.Reused+o.Compiled)
		}
		bd.h.stage(ev, results.StateDone, text, b.elapsed)
	}
	return b
}

var errTooLong = errors.New("the build did not end")

// buildInTime ends a build that does not end by itself, such as one whose Makefile waits for ever.
func (bd *builder) buildInTime(ctx context.Context, tree *kernels.Tree, begun func()) built {
	limit := bd.h.limits(bd.plan.Spec).build
	if limit <= 0 {
		return bd.buildOrReuse(ctx, tree, begun)
	}
	timed, cancel := context.WithTimeoutCause(ctx, limit, errTooLong)
	defer cancel()
	b := bd.buildOrReuse(timed, tree, begun)
	if context.Cause(timed) == errTooLong && len(b.Modules) == 0 {
		b.fault, b.excluded = nil, ""
		b.trouble = &judge.Blame{Stage: results.StageBuild, Code: results.CodeTimeout, Reason: fmt.Sprintf("the build did not end within %v", limit)}
	}
	return b
}

func (bd *builder) buildOrReuse(ctx context.Context, tree *kernels.Tree, begun func()) built {
	b := built{log: filepath.Join(bd.work, "build-"+Label(tree.Target)+".log")}
	err := bd.obtain(ctx, tree, begun, &b)
	if _, none := os.Stat(b.log); none != nil { // nothing was begun, so nothing was logged
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
		b.fault = &judge.Blame{Stage: results.StageBuild, Code: fault.Code, Reason: fault.Reason + bd.optionsFor(ctx, tree, fault.Symbols)}
	default:
		b.trouble = bd.infra(stageOf(err), withCure(err, tree.Target))
	}
	b.Modules = nil // nobody loads what cannot be relied upon
	return b
}

func (bd *builder) obtain(ctx context.Context, tree *kernels.Tree, begun func(), b *built) error {
	if bd.plan.in.binaries != nil {
		return bd.take(ctx, tree, b)
	}
	depends, symbols, err := bd.dependencies(ctx, tree)
	if err != nil {
		return err
	}
	var dir string
	source := packed{bd.plan.in.module, bd.plan.Module.SourceDigest}
	dir, b.cached, err = bd.h.store.Fill(ctx, "builds", bd.buildKey(tree, source, symbols), func(dir string) error {
		begun()
		conf, err := bd.confOfOne(ctx, tree)
		if err != nil {
			return err
		}
		objects, done, err := bd.objects(ctx, tree)
		if err != nil {
			return err
		}
		defer done()
		return source.unchanged(ctx, bd.buildInto(ctx, dir, tree, source, conf, symbols, objects, b.log))
	})
	if err != nil {
		return err
	}
	b.log, b.depends = filepath.Join(dir, "build.log"), depends
	if b.product, err = readProduct(dir); err != nil {
		return err
	}
	return bd.settle(tree, b)
}

// settle decides which modules of b are loaded, and learns what the kernel has of its own.
func (bd *builder) settle(tree *kernels.Tree, b *built) (err error) {
	if err := loadable(slices.Concat(b.depends, b.Modules)); err != nil {
		return err
	}
	if err := b.choose(bd.plan.Spec.Load); err != nil {
		return err
	}
	if err := b.unlistedNotes(tree); err != nil {
		return err
	}
	b.Notes = append(b.Notes, untaken(b.Modules, bd.plan.Spec.Params)...)
	if b.inTree, err = inTree(tree, b.Modules); err != nil {
		return err
	}
	b.Notes = append(b.Notes, inTreeNotes(b.inTree)...)
	if bd.plan.Spec.DeferInTree {
		b.deferred = deferred(b.Modules, b.inTree)
	}
	return nil
}

func (bd *builder) buildKey(tree *kernels.Tree, source packed, symbols exports) string {
	how := "v6"
	if asPackage(tree.Target) {
		how += " as the package " + fileDigest(bd.plan.Spec.Module)
	}
	if bd.plan.Spec.fromNothing() {
		how += " from nothing"
	}
	data, _ := json.Marshal([]any{how, source.digest, tree.Digest, tree.Root.Digest, bd.plan.Spec.Make, symbols.symvers})
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

type product struct {
	Modules []kbuild.Module `json:"modules"` // in load order
	// Unlisted were built too, and the package does not name them: dkms does not install them.
	Unlisted []kbuild.Module `json:"unlisted,omitempty"`
	Notes    []string        `json:"notes"` // what a person should know of how they were built
	Objects  results.Objects `json:"objects,omitzero"`
}

// objects says how much of the build earlier ones had done; nil where that is not known.
func (b *built) objects() *results.Objects {
	if b.cached || b.Objects == (results.Objects{}) {
		return nil
	}
	return &b.Objects
}

const productFile = "product.json"

// buildInto builds in a private copy below dir and leaves there the .ko, what is known of them, and the log.
func (bd *builder) buildInto(ctx context.Context, dir string, tree *kernels.Tree, source packed, conf *dkms.Conf, symbols exports, objects, logPath string) error {
	log, err := os.Create(logPath)
	if err != nil {
		return fmt.Errorf("create build log: %w", err)
	}
	defer log.Close()
	src := filepath.Join(dir, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		return err
	}
	art, err := bd.compileModule(ctx, tree, source.Package, conf, src, symbols, objects, log)
	if objects != "" && misled(err) {
		if err := anew(objects, src); err != nil {
			return err
		}
		art, err = bd.compileModule(ctx, tree, source.Package, conf, src, symbols, "", log)
	}
	if err != nil {
		return err
	}
	err = errors.Join(moveModules(dir, "", art.Modules), moveModules(dir, "unlisted-", art.Unlisted))
	if err != nil {
		return err
	}
	notes := append(art.Notes, lackNotes(art.Lacks, tree.Target)...)
	err = errors.Join(writeJSON(dir, productFile, product{art.Modules, art.Unlisted, notes, art.Objects}), keepSymvers(dir, art), copyFile(filepath.Join(dir, "build.log"), logPath),
		store.SetTitle(dir, source.title()+" for "+Label(tree.Target)))
	if err != nil {
		return err
	}
	return store.RemoveTree(src)
}

// moveModules puts the modules into dir, as each lies under its new name.
func moveModules(dir, prefix string, modules []kbuild.Module) error {
	for i, m := range modules {
		name := fmt.Sprintf("%s%d-%s", prefix, i, filepath.Base(m.Path)) // two folders of one package may hold the same name
		if err := os.Rename(m.Path, filepath.Join(dir, name)); err != nil {
			return err
		}
		modules[i].Path = name
	}
	return nil
}

func readProduct(dir string) (p product, err error) {
	if err := store.ReadJSON(filepath.Join(dir, productFile), &p); err != nil {
		return p, fmt.Errorf("read build: %w", err)
	}
	for _, list := range [][]kbuild.Module{p.Modules, p.Unlisted} {
		for i := range list {
			list[i].Path = filepath.Join(dir, list[i].Path)
		}
	}
	return p, nil
}
