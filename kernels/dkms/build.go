package dkms

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

//go:embed step.sh
var stepScript string

// Request says what to build. It is plain data but for Log.
type Request struct {
	Tree    *kernels.Tree
	Package *Package
	Conf    *Conf     // what Package.Evaluate said for Tree; nil: it is asked
	Dir     string    // an empty host folder for the private copy of the source; the caller's to keep or remove
	Make    []string  // further NAME=VALUE that is passed to every make
	Jobs    int       // of make; zero means one
	Symbols []string  // host paths of the Module.symvers of the packages in BUILD_DEPENDS
	Objects string    // host folder of objects of earlier builds, see kbuild.Request; empty: all is compiled
	Log     io.Writer // everything that is said; nil for nowhere
}

// Build builds the package for the target as `dkms build` would, and proves the result as kernels/kbuild does.
//
// A *SkipError says that the package excludes the target; a *kbuild.Error is the package's fault: dkms.conf is refused, a patch
// does not apply, a script or make fails, a module is missing or is for another kernel. A *kbuild.SourceError is the user's to
// mend. Any other error is not its fault: a root without what a .deb depends on, too. The packages in BUILD_DEPENDS are the caller's to build: Evaluate names them.
func Build(ctx context.Context, r Request) (*kbuild.Artifact, error) {
	conf := r.Conf
	if conf == nil {
		var err error
		if conf, err = r.Package.Evaluate(ctx, r.Tree); err != nil {
			return nil, err
		}
	}
	if conf.excluded != "" {
		return nil, &SkipError{conf.excluded}
	}
	if err := conf.checkPatches(r.Package.Source); err != nil {
		return nil, err
	}
	recipe := conf.recipe(r.Jobs)
	a, err := kbuild.Build(ctx, kbuild.Request{Tree: r.Tree, Source: r.Package.Files, Dir: r.Dir,
		Make: r.Make, Jobs: r.Jobs, Log: r.Log, Symbols: r.Symbols, Objects: r.Objects, Recipe: &recipe})
	if err != nil {
		return nil, r.Package.blame(asSkip(err), r.Tree)
	}
	a.Notes = slices.Concat(r.Package.Notes, a.Notes, conf.Notes, conf.scriptNotes(r.Package.Source), r.Package.lackNotes(r.Tree))
	return a, nil
}

func (c *Conf) recipe(jobs int) kbuild.Recipe {
	p, f := c.pkg, c.target
	kept := kernels.Mount{Link: keptModules, Guest: path.Join(dkmsTree, p.Name, p.Version, f.release, f.arch)}
	r := kbuild.Recipe{At: p.build(), Beside: p.source(), Mounts: append(p.mounts(), kept), Modules: c.Files()}
	step := func(name, how, line string, modules ...string) kbuild.Step {
		command := []string{"bash", "-c", stepScript, "dkms", how, line, f.release, f.arch, p.Name, p.Version}
		return kbuild.Step{Name: name, Shown: line, Command: append(command, modules...)}
	}
	for _, patch := range c.Patches {
		r.Steps = append(r.Steps, step("patch "+clean(patch), "run", "patch -p1 < ./patches/"+patch))
	}
	if c.PreBuild != "" {
		r.Steps = append(r.Steps, step("PRE_BUILD "+clean(firstWord(c.PreBuild)), "script", c.PreBuild))
	}
	r.Steps = append(r.Steps, step("", "make", c.command(f.release, jobs)))
	if c.PostBuild != "" {
		r.After = append(r.After, step("POST_BUILD "+clean(firstWord(c.PostBuild)), "script", c.PostBuild, c.kept()...))
	}
	return r
}

// keptModules stands for the folder in which dkms keeps what it built: POST_BUILD finds the modules there, and may add to them (zfs does).
const keptModules = "/tmp/kept"

func (c *Conf) kept() (pairs []string) {
	for _, m := range c.Modules {
		pairs = append(pairs, m.File(), m.DestName)
	}
	return pairs
}

// command is the line that builds the modules. dkms takes whatever begins with make for make, a program named makefoo too.
func (c *Conf) command(release string, jobs int) string {
	if rest, ok := strings.CutPrefix(c.Make, "make"); ok {
		return "make -j" + strconv.Itoa(cmp.Or(jobs, 1)) + " KERNELRELEASE=" + release + rest
	}
	return c.Make
}

// asSkip makes a *SkipError of a script's exit code 77, by which dkms says that a package is excluded.
func asSkip(err error) error {
	var fault *kbuild.Error
	if errors.As(err, &fault) && fault.ExitCode == excludedCode && ofScript(fault) {
		return &SkipError{fault.Reason}
	}
	return err
}

// excludedCode is dkms's exit code for a package that does not want the kernel.
const excludedCode = 77

func (c *Conf) checkPatches(source string) error {
	root, err := os.OpenRoot(source)
	if err != nil {
		return fmt.Errorf("open source: %w", err)
	}
	defer root.Close()
	for _, patch := range c.Patches {
		if strings.Contains("patches/"+patch, "/../") {
			return &kbuild.Error{Code: results.CodeBuildError, Reason: "PATCH " + clean(patch) + " contains '..'"}
		}
		if _, err := root.Stat(path.Join("patches", patch)); err != nil {
			return &kbuild.Error{Code: results.CodeBuildError, Reason: "PATCH " + clean(patch) + " is not in the folder patches"}
		}
	}
	return nil
}

// scriptNotes says which scripts dkms passes over: it runs only what is executable, and merely warns otherwise.
func (c *Conf) scriptNotes(source string) (lines []string) {
	root, err := os.OpenRoot(source)
	if err != nil {
		return nil
	}
	defer root.Close()
	for _, script := range []struct{ name, line string }{{"PRE_BUILD", c.PreBuild}, {"POST_BUILD", c.PostBuild}} {
		info, err := root.Stat(path.Clean(firstWord(script.line)))
		if script.line != "" && err == nil && info.Mode()&0o111 == 0 {
			lines = append(lines, fmt.Sprintf("%s is not run: %s is not executable, and dkms only warns of it", script.name, clean(firstWord(script.line))))
		}
	}
	return lines
}

// firstWord is what dkms takes for the script's file: everything before the first space.
func firstWord(line string) string {
	word, _, _ := strings.Cut(line, " ")
	return word
}

// Order puts packages in the order in which they must be built and loaded: what others need first, otherwise by name. missing is what is
// depended on and not among them, sorted. It is an error if they depend on each other in a circle.
func Order(depends map[string][]string) (order, missing []string, err error) {
	const begun, done = 1, 2
	state := map[string]int{}
	var visit func(name string, on []string) error
	visit = func(name string, on []string) error {
		needs, ok := depends[name]
		switch {
		case !ok:
			missing = append(missing, name)
			return nil
		case state[name] == done:
			return nil
		case state[name] == begun:
			return errors.New("BUILD_DEPENDS goes round in a circle: " + strings.Join(append(on[slices.Index(on, name):], name), " needs "))
		}
		state[name] = begun
		for _, need := range slices.Sorted(slices.Values(needs)) {
			if err := visit(need, append(slices.Clone(on), name)); err != nil {
				return err
			}
		}
		state[name] = done
		order = append(order, name)
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(depends)) {
		if err := visit(name, nil); err != nil {
			return nil, nil, err
		}
	}
	slices.Sort(missing)
	return order, slices.Compact(missing), nil
}
