package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/mod/modfile"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/config"
	"github.com/modmatrix/modmatrix/initramfs"
)

//go:embed skeleton/first_test.go.txt
var firstSuite []byte

func initCommand(a *app) *cobra.Command {
	return verb("init", func(_ *cobra.Command, args []string) error { return a.init(append(args, ".")[0]) })
}

type newFile struct {
	path string // below the module's folder
	data []byte
}

func (a *app) init(dir string) error {
	if info, err := os.Stat(dir); err != nil {
		return &harness.UsageError{Err: err}
	} else if !info.IsDir() {
		return usage("%s is not a folder", dir)
	}
	files, err := firstFiles()
	if err != nil {
		return err
	}
	var there []string
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, f.path)); err == nil {
			there = append(there, f.path)
		}
	}
	if len(there) > 0 {
		return usage("init overwrites nothing, and in %s there is already %s: move it away first", dir, strings.Join(there, ", "))
	}
	if err := writeNew(dir, files); err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(dir, f.path)
		a.say(map[string]string{"wrote": path}, "wrote %s", fromHere(path))
	}
	if !a.json {
		fmt.Fprintln(a.Stdout, strings.TrimSuffix("next: modmatrix run "+dir, " ."))
	}
	return nil
}

func firstFiles() ([]newFile, error) {
	source, err := initramfs.FindSource()
	if err != nil {
		return nil, err
	}
	mod, sum, err := suiteModule(source)
	if err != nil {
		return nil, err
	}
	return []newFile{
		{harness.ConfigName, []byte(strings.Replace(config.Documented, "['lifecycle']", "['lifecycle', 'suites/first']", 1))},
		{"suites/go.mod", mod},
		{"suites/go.sum", sum},
		{"suites/first/first_test.go", firstSuite},
	}, nil
}

// suiteImports are the modules that a suite imports itself, besides ours.
var suiteImports = []string{"github.com/onsi/ginkgo/v2", "github.com/onsi/gomega", "golang.org/x/sys"}

// suiteModule makes the go.mod and go.sum of a folder of suites. Our own module is replaced by the source that this
// tool was built from: no network is needed, and both ends of the wire are the same. All that our go.mod requires is
// required with it, in the same versions: so go has nothing to update, whatever package suites comes to import.
func suiteModule(source string) (mod, sum []byte, err error) {
	var own *modfile.File
	data, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err == nil {
		own, err = modfile.Parse("go.mod", data, nil)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read our own go.mod: %w", err)
	}
	if sum, err = os.ReadFile(filepath.Join(source, "go.sum")); err != nil {
		return nil, nil, fmt.Errorf("read our own go.sum: %w", err)
	}
	path := own.Module.Mod.Path
	f := new(modfile.File)
	requires := []*modfile.Require{{Mod: own.Module.Mod}}
	requires[0].Mod.Version = "v0.0.0"
	for _, r := range own.Require {
		requires = append(requires, &modfile.Require{Mod: r.Mod, Indirect: !slices.Contains(suiteImports, r.Mod.Path)})
	}
	if err := errors.Join(f.AddModuleStmt("suites"), f.AddGoStmt(own.Go.Version), f.AddReplace(path, "", source, "")); err != nil {
		return nil, nil, fmt.Errorf("write go.mod: %w", err)
	}
	f.SetRequireSeparateIndirect(requires)
	mod, err = f.Format()
	return mod, sum, err
}

// writeNew writes files that are not there, all of them or none.
func writeNew(dir string, files []newFile) (err error) {
	var made []string
	defer func() {
		if err != nil {
			for _, path := range made {
				os.Remove(path)
			}
		}
	}()
	for _, f := range files {
		path := filepath.Join(dir, f.path)
		var out *os.File
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			out, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		}
		if errors.Is(err, fs.ErrExist) {
			return usage("%s has just come into being: init overwrites nothing", path)
		}
		if err == nil {
			made = append(made, path)
			_, err = out.Write(f.data)
			err = errors.Join(err, out.Close())
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}
