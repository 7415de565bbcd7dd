package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/checks"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

// static reports whether s are the static checks, which need no guest.
func (s Suite) static() bool { return s.Name == results.Checks && s.Dir == "" }

// inGuests are the suites that guests run.
func (p *Plan) inGuests() []Suite { return slices.DeleteFunc(slices.Clone(p.Suites), Suite.static) }

// scripter has the scripts of a kernel's source; the source of Debian's kernels is one.
type scripter interface {
	Scripts(context.Context, kernels.Target) (kernels.Scripts, error)
}

// CheckNever is the level in Spec.CheckFails for a check that fails nothing.
const CheckNever = "never"

// failing is from which level on a check fails.
func (s Spec) failing(check string) results.Level {
	for _, assignment := range s.CheckFails {
		if name, level, _ := strings.Cut(assignment, "="); name == check {
			if level == CheckNever {
				return ""
			}
			return results.Level(level)
		}
	}
	return results.LevelError
}

// checkCell takes the cell of the static checks on tree to its record.
func (r *run) checkCell(ctx context.Context, tree *kernels.Tree, about results.Target) {
	at := results.Cell{Target: Label(tree.Target), Suite: results.Checks}
	if err := r.cpu.acquire(ctx, r.order.cell(at, "")); err != nil {
		return // finish records it as interrupted
	}
	defer r.cpu.release()
	ev := results.Event{Kind: results.EventStage, Target: at.Target, Suite: at.Suite, Stage: results.StageCheck}
	r.h.stage(ev, results.StateStart, "", 0)
	began := time.Now()
	e, said, cached := r.checkEvidence(ctx, tree)
	if wasInterrupted(ctx, ctx.Err()) {
		return
	}
	rec := r.h.judge(e)
	rec.Cached = cached
	if !cached {
		rec.Timings.Test = time.Since(began).Milliseconds()
		rec.Timings.Total = rec.Timings.Test
		r.times.note(durationKey(r.plan, at), time.Since(began))
	}
	var err error
	if rec.Artifacts, err = r.records.out.keep(r.records.out.cell(about, at.Suite, 1), "", nil, string(said), rec.Specs); err != nil {
		r.records.written(err)
		return
	}
	state := results.StateDone
	if rec.Status != results.Pass {
		state = results.StateFailed
	}
	r.h.stage(ev, state, rec.Reason, time.Since(began))
	r.records.record(at, rec)
}

// checked is what is kept of the checks of one source for one tree.
type checked struct {
	Excluded string          `json:"excluded,omitempty"` // the module does not want this target, on this condition
	Results  []checks.Result `json:"results"`
}

const checkedFile = "checked.json"

func (r *run) checkEvidence(ctx context.Context, tree *kernels.Tree) (e judge.Evidence, said []byte, cached bool) {
	got, said, cached, err := r.builder.check(ctx, tree)
	if err != nil {
		return judge.Evidence{Trouble: r.infra(results.StageCheck, err)}, said, false
	}
	if got.Excluded != "" {
		return judge.Evidence{Excluded: got.Excluded}, said, cached
	}
	for _, c := range got.Results {
		e.Checks = append(e.Checks, judge.Check{Name: c.Name, Tool: c.Tool, Findings: c.Findings, Dropped: c.Dropped, Noise: c.Noise, Note: c.Note,
			Missing: c.Missing, Broken: c.Broken, Fault: c.Fault, Fails: r.plan.Spec.failing(c.Name), TookMS: c.Took.Milliseconds()})
	}
	return e, said, cached
}

// errNotKept says that what was found is not to be found again: it may be different the next time.
var errNotKept = errors.New("not kept")

// check runs the static checks, or finds what they came to for the same source and tree, with all that the tools said.
func (bd *builder) check(ctx context.Context, tree *kernels.Tree) (got checked, said []byte, cached bool, err error) {
	req, err := bd.checkRequest(ctx, tree)
	if err != nil {
		return got, nil, false, err
	}
	_, symbols, err := bd.dependencies(ctx, tree)
	if err != nil {
		return got, nil, false, err
	}
	how, _ := json.Marshal([]any{checks.Version, bd.buildKey(req.Tree, packed{bd.plan.in.module, bd.plan.Module.SourceDigest}, symbols), req.Scripts.Version, req.Exclude})
	fresh := false
	dir, _, err := bd.h.store.Fill(ctx, "checks", store.Digest(string(how)), func(dir string) error {
		fresh = true
		if got, said, err = bd.runChecks(ctx, req, symbols); err != nil {
			return err
		}
		again := func(c checks.Result) bool { return c.Broken != "" || c.Missing != "" && req.Trouble != "" }
		if bd.plan.Spec.NoCache || slices.ContainsFunc(got.Results, again) {
			return errNotKept
		}
		return errors.Join(writeJSON(dir, checkedFile, got), os.WriteFile(filepath.Join(dir, cellSuiteLog), said, 0o644), store.SetTitle(dir, "checks of "+bd.plan.in.module.Name+" for "+Label(tree.Target)))
	})
	if errors.Is(err, errNotKept) {
		return got, said, false, nil
	}
	if err != nil || fresh {
		return got, said, false, err
	}
	said, err = os.ReadFile(filepath.Join(dir, cellSuiteLog))
	return got, said, true, errors.Join(err, store.ReadJSON(filepath.Join(dir, checkedFile), &got))
}

// checkRequest has the tools and the scripts brought together. That some cannot be had is no error: the checks say so, one by one.
func (bd *builder) checkRequest(ctx context.Context, tree *kernels.Tree) (checks.Request, error) {
	req := checks.Request{Tree: tree, Source: bd.plan.in.module.Files, Exclude: bd.plan.Spec.CheckExclude}
	archive := bd.h.sources(bd.plan.Spec)["debian"]
	if f, ok := archive.(packageAdder); ok {
		needs := slices.Concat(checks.Needs, bd.plan.in.module.Needs, bd.plan.Spec.Packages)
		for _, p := range bd.plan.in.depends {
			needs = append(needs, p.Needs...)
		}
		slices.Sort(needs)
		more, err := f.WithPackages(ctx, tree, slices.Compact(needs), bd.progress(tree))
		if ctx.Err() != nil {
			return req, ctx.Err()
		}
		if err == nil {
			req.Tree = more
		} else {
			req.Trouble = err.Error()
		}
	}
	var err error
	if own, ok := kbuild.Find(tree, filepath.Join(tree.KDIR, checks.DeprecatedList)); ok {
		req.Scripts = kernels.Scripts{Dir: strings.TrimSuffix(own, "/"+checks.DeprecatedList), Version: tree.Target.Version}
	} else if s, ok := archive.(scripter); ok {
		req.Scripts, err = s.Scripts(ctx, tree.Target)
	} else {
		err = errors.New("no archive has it")
	}
	if err != nil {
		req.NoScripts = err.Error()
	}
	return req, ctx.Err()
}

// progress passes on how far the fetching of tools is.
func (bd *builder) progress(tree *kernels.Tree) func(kernels.Progress) {
	ev := results.Event{Kind: results.EventStage, Target: Label(tree.Target), Suite: results.Checks, Stage: results.StageCheck, State: results.StateProgress}
	return func(p kernels.Progress) {
		ev.Text, ev.Done, ev.Total, ev.Unit = p.What, p.Done, p.Total, p.Unit
		bd.h.event(ev)
	}
}

func (bd *builder) runChecks(ctx context.Context, req checks.Request, symbols exports) (got checked, said []byte, err error) {
	conf, err := bd.confOfOne(ctx, req.Tree)
	excluded := (*dkms.SkipError)(nil)
	if errors.As(err, &excluded) {
		return checked{Excluded: excluded.Condition}, nil, nil
	}
	if err != nil {
		return got, nil, err
	}
	if req.Dir, err = os.MkdirTemp(bd.work, "checks-"); err != nil {
		return got, nil, err
	}
	defer func() { err = errors.Join(err, store.RemoveTree(req.Dir)) }()
	req.Build = func(ctx context.Context, dir string, vars []string, log io.Writer) (*kbuild.Artifact, error) {
		art, err := bd.compileWith(ctx, req.Tree, bd.plan.in.module, conf, dir, symbols, "", slices.Concat(bd.plan.Spec.Make, vars), log)
		if errors.As(err, &excluded) {
			got.Excluded = excluded.Condition
		}
		return art, err
	}
	log, err := os.Create(filepath.Join(req.Dir, "checks.log"))
	if err != nil {
		return got, nil, err
	}
	defer log.Close()
	if got.Results, err = bd.h.static(ctx, req, log); err != nil {
		return got, nil, fmt.Errorf("check: %w", err)
	}
	said, err = os.ReadFile(log.Name())
	return got, said, err
}
