package initramfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results/wire"
)

// WriteFolder writes payload into dir, which it makes, for a machine that is no guest: what the plan names lies below dir then.
func WriteFolder(dir string, p Payload) error {
	p.Plan = movedTo(dir, p.Plan)
	files, err := p.withPlan()
	for _, f := range files {
		if err != nil {
			break
		}
		err = f.writeBelow(dir)
	}
	if err != nil {
		return fmt.Errorf("write payload: %w", err)
	}
	return nil
}

// movedTo is plan with its files below dir in place of wire.PayloadDir.
func movedTo(dir string, plan wire.Plan) wire.Plan {
	move := func(path string) string { return filepath.Join(dir, strings.TrimPrefix(path, wire.PayloadDir)) }
	all := func(paths []string) (moved []string) {
		for _, path := range paths {
			moved = append(moved, move(path))
		}
		return moved
	}
	plan.Dependencies, plan.Given = all(plan.Dependencies), all(plan.Given)
	plan.Modules, plan.Spare, plan.Suites = slices.Clone(plan.Modules), slices.Clone(plan.Spare), slices.Clone(plan.Suites)
	for _, list := range [][]wire.Module{plan.Modules, plan.Spare} {
		for i := range list {
			list[i].Path = move(list[i].Path)
		}
	}
	for i := range plan.Suites {
		plan.Suites[i].Path = move(plan.Suites[i].Path)
	}
	return plan
}

func (f File) writeBelow(dir string) error {
	if !below(f.Guest, wire.PayloadDir) {
		return fmt.Errorf("payload path %q is not under %s", f.Guest, wire.PayloadDir)
	}
	path := filepath.Join(dir, strings.TrimPrefix(f.Guest, wire.PayloadDir))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	content, closer, err := f.open()
	if err != nil {
		return err
	}
	defer closer.Close()
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	return errors.Join(err, out.Close())
}
