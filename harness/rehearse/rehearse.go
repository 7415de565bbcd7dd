// Package rehearse takes a module into the kernel's own tree, as a rehearsal: in a private copy, with the patches that would bring it there.
//
// It is a client of the harness: what a module is, and where kernels come from, it asks there. This package must never know how
// patches are made, and sends nothing to anybody.
package rehearse

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/git"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/mainline"
	"github.com/modmatrix/modmatrix/kernels/source"
	"github.com/modmatrix/modmatrix/results"
)

// Schema names the form of a Rehearsal in JSON.
const Schema = "modmatrix.rehearsal/v1"

// Rehearsal is what came of it.
type Rehearsal struct {
	Schema  string         `json:"schema"`
	Module  results.Module `json:"module"`
	Release string         `json:"release"` // of the tree that it is for
	Source  string         `json:"source"`  // that tree, as a selector names it
	*mainline.Shape
	Review mainline.Review `json:"review"`
	Out    string          `json:"-"` // the folder with the patches
}

// Request says what to rehearse. It is plain data but for Cover and Progress.
type Request struct {
	Spec     harness.Spec                              // the module; its kernels do not count
	Tree     kernels.Selector                          // of the kernel's source: git or tar
	Into     string                                    // a folder of it
	Out      string                                    // for what is written
	Plan     []mainline.Part                           // how the patches are split; nil: one patch
	Cover    func(w io.Writer, m results.Module) error // what was tested, in words; nil: no cover letter
	Progress func(kernels.Progress)
}

// The names of what is written, beside the patches.
const (
	FileName  = "rehearsal.json"
	CoverName = "cover-letter.txt"
	DiffName  = "in-tree.diff" // from a module that the tree has already
)

// rooter makes a root with some packages in it; the source of Debian's kernels does.
type rooter interface {
	Root(ctx context.Context, suite string, pkgs []string, report func(kernels.Progress)) (kernels.Root, error)
}

// wholer has the whole source of a kernel; the source of compiled kernels does.
type wholer interface {
	Whole(ctx context.Context, t kernels.Target, report func(kernels.Progress)) (string, error)
}

// Run rehearses, and writes what came of it to r.Out. A *harness.UsageError is a mistake of the caller.
func Run(ctx context.Context, h *harness.Harness, r Request) (*Rehearsal, error) {
	if r.Tree.Source != "git" && r.Tree.Source != "tar" {
		return nil, usage("--tree %s: the whole source of a kernel is needed: git:PATH@REV or tar:FILE", r.Tree)
	}
	r.Spec.Suites = []string{harness.Lifecycle}
	plan, err := h.PlanModule(ctx, r.Spec)
	if err != nil {
		return nil, err
	}
	defer plan.Close()
	t, linux, err := r.tree(ctx, h)
	if err != nil {
		return nil, err
	}
	archive, ok := h.Sources(r.Spec)["debian"].(rooter)
	if !ok {
		return nil, errors.New("there is no archive of Debian to make a root with the tools of")
	}
	root, err := archive.Root(ctx, t.Suite, mainline.Needs, r.Progress)
	if err != nil {
		return nil, fmt.Errorf("make a root with the tools: %w", err)
	}
	work, release, err := h.Store().WorkDir()
	if err != nil {
		return nil, err
	}
	defer release()
	index, err := r.index(ctx, h, linux)
	if err != nil {
		return nil, err
	}
	r.say("make the shape of the tree")
	shape, err := mainline.Make(ctx, mainline.Request{Source: plan.Source(), Title: plan.Module.Name, Linux: linux, Index: index, Version: t.Version,
		Base: source.Commit(t), Of: filepath.Base(r.Tree.Name), Into: r.Into, Author: author(ctx), Plan: r.Plan, Root: root, Work: work})
	if wrong := (*kbuild.SourceError)(nil); errors.As(err, &wrong) {
		return nil, &harness.UsageError{Err: err}
	} else if err != nil {
		return nil, err
	}
	made := &Rehearsal{Schema: Schema, Module: plan.Module, Release: t.Release, Source: t.Source, Shape: shape, Out: r.Out}
	r.say("ask the kernel's own scripts")
	if made.Review, err = mainline.Check(ctx, shape, root, linux, work); err != nil {
		return nil, err
	}
	return made, made.write(r.Cover)
}

func usage(format string, args ...any) error {
	return &harness.UsageError{Err: fmt.Errorf(format, args...)}
}

func (r Request) say(text string) {
	if r.Progress != nil {
		r.Progress(kernels.Progress{What: text})
	}
}

// tree is the kernel that r.Tree names, and the folder with its whole source.
func (r Request) tree(ctx context.Context, h *harness.Harness) (t kernels.Target, linux string, err error) {
	src := h.Sources(r.Spec)[r.Tree.Source]
	whole, ok := src.(wholer)
	if !ok {
		return t, "", fmt.Errorf("kernels of %q have no source to rehearse in", r.Tree.Source)
	}
	res, err := src.Resolve(ctx, r.Tree)
	switch {
	case errors.Is(err, kernels.ErrNoMatch):
		return t, "", &harness.UsageError{Err: err}
	case err != nil:
		return t, "", err
	case len(res.Targets) != 1:
		return t, "", usage("--tree %s names %d kernels: name one", r.Tree, len(res.Targets))
	}
	linux, err = whole.Whole(ctx, res.Targets[0], r.Progress)
	return res.Targets[0], linux, err
}

const indexFile = "index.json"

// index is the file with what was found in the whole source in the folder linux. It is made once, and kept.
func (r Request) index(ctx context.Context, h *harness.Harness, linux string) (string, error) {
	dir, _, err := h.Store().Fill(ctx, "sources", filepath.Base(filepath.Dir(linux))+"-index-2", func(dir string) error {
		r.say("look through the kernel's source")
		return mainline.WriteIndex(ctx, linux, filepath.Join(dir, indexFile))
	})
	return filepath.Join(dir, indexFile), err
}

// author is the user, as git has him; empty where it has none.
func author(ctx context.Context) string {
	name, mail := git.User(ctx)
	if name == "" || mail == "" {
		return ""
	}
	return name + " <" + mail + ">"
}

var patchName = regexp.MustCompile(`^\d{4}-[a-z0-9-]*\.patch$`)

// write leaves the patches and what is said of them in the folder, in place of those of an earlier rehearsal.
func (m *Rehearsal) write(cover func(io.Writer, results.Module) error) error {
	if err := os.MkdirAll(m.Out, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(m.Out)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := sweep(root); err != nil {
		return err
	}
	files := map[string]string{}
	for _, p := range m.Patches {
		files[p.Name] = p.Text
	}
	for _, c := range m.Copies {
		files[DiffName] += c.Diff
	}
	if cover != nil {
		var text bytes.Buffer
		if err := m.cover(&text, cover); err != nil {
			return fmt.Errorf("write the cover letter: %w", err)
		}
		files[CoverName] = text.String()
	}
	data, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	files[FileName] = string(data) + "\n"
	for name, text := range files {
		if err := root.WriteFile(name, []byte(text), 0o644); err != nil {
			return fmt.Errorf("write what was rehearsed: %w", err)
		}
	}
	return nil
}

// sweep removes what an earlier rehearsal left in a folder. Patches that none left are not ours to remove, and git am would take them, too.
func sweep(root *os.Root) error {
	var earlier struct{ Patches []struct{ Name string } }
	data, err := root.ReadFile(FileName)
	if err == nil {
		err = json.Unmarshal(data, &earlier)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return usage("%s holds a %s that no rehearsal wrote: name another folder with -o", root.Name(), FileName)
	}
	for _, p := range earlier.Patches {
		if patchName.MatchString(p.Name) {
			err = errors.Join(noneIsGood(err), noneIsGood(root.Remove(p.Name)))
		}
	}
	for _, name := range []string{DiffName, CoverName} {
		err = errors.Join(noneIsGood(err), noneIsGood(root.Remove(name)))
	}
	if err != nil {
		return err
	}
	left, err := fs.Glob(root.FS(), "*.patch")
	if err == nil && len(left) > 0 {
		err = usage("%s holds %s, which no rehearsal wrote: name another folder with -o", root.Name(), left[0])
	}
	return err
}

func noneIsGood(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// cover writes the letter that goes before the patches. It is no patch, so that git am *.patch takes all that are.
func (m *Rehearsal) cover(w io.Writer, tested func(io.Writer, results.Module) error) error {
	fmt.Fprintf(w, "Subject: [PATCH 0/%d] %s\n\n", len(m.Patches), m.Patches[len(m.Patches)-1].Subject)
	fmt.Fprintf(w, "TODO: what %s is for, who uses it, and since when it was out of the tree.\n\n", results.Plain(cmp.Or(m.Module.Name, "it")))
	return tested(w, m.Module)
}
