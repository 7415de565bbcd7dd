package git

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/slowtest"
)

// attack plants something in a repository, and shows that it works.
type attack struct {
	files   []string
	plant   func(t *testing.T, dir, trap string)
	at      string   // the folder that is asked about, below the repository; empty for all of it
	control []string // the plain git, there, that the attack works against
}

// config sets keys and values in a repository's own configuration.
func config(pairs ...string) func(t *testing.T, dir, trap string) {
	return func(t *testing.T, dir, trap string) {
		t.Helper()
		for i := 0; i < len(pairs); i += 2 {
			gitIn(t, dir, "config", pairs[i], strings.ReplaceAll(pairs[i+1], "TRAP", trap))
		}
		age(t, dir+"/module/a.c")
	}
}

// lacking is config in a partial clone that lacks its objects.
func lacking(pairs ...string) func(t *testing.T, dir, trap string) {
	return func(t *testing.T, dir, trap string) {
		t.Helper()
		objects := strings.Fields(gitIn(t, dir, "rev-parse", "HEAD", "HEAD:", "HEAD:module", "HEAD:module/a.c"))
		config(append(pairs, "core.repositoryFormatVersion", "1", "extensions.partialClone", "origin", "remote.origin.promisor", "true")...)(t, dir, trap)
		for _, object := range objects {
			if err := os.Remove(filepath.Join(dir, ".git/objects", object[:2], object[2:])); err != nil {
				t.Fatal(err)
			}
		}
	}
}

var (
	status  = []string{"status"}
	archive = []string{"archive", "HEAD"}
	attacks = map[string]attack{
		"filter.clean":   {[]string{".gitattributes", "* filter=evil\n"}, config("filter.evil.clean", "TRAP"), "", status},
		"filter.process": {[]string{".gitattributes", "* filter=evil\n"}, config("filter.evil.process", "TRAP"), "", status},
		"filter.smudge":  {[]string{".gitattributes", "* filter=evil\n"}, config("filter.evil.smudge", "TRAP"), "", archive},
		"filter by info/attributes": {nil, func(t *testing.T, dir, trap string) {
			put(t, dir+"/.git/info/attributes", "* filter=evil\n")
			config("filter.evil.clean", "TRAP", "filter.evil.smudge", "TRAP")(t, dir, trap)
		}, "", status},
		"core.fsmonitor": {nil, config("core.fsmonitor", "TRAP"), "", status},
		"core.hooksPath": {nil, func(t *testing.T, dir, trap string) {
			config("core.hooksPath", filepath.Dir(put(t, dir+"/hooks/post-index-change", "#!/bin/sh\n"+trap)))(t, dir, trap)
		}, "", status},
		"hooks": {nil, func(t *testing.T, dir, trap string) {
			put(t, dir+"/.git/hooks/post-index-change", "#!/bin/sh\n"+trap)
			age(t, dir+"/module/a.c")
		}, "", status},
		"include.path": {nil, func(t *testing.T, dir, trap string) {
			config("include.path", put(t, dir+"/included", "[core]\nfsmonitor = "+trap+"\n"))(t, dir, trap)
		}, "", status},
		"includeIf.onbranch": {nil, func(t *testing.T, dir, trap string) {
			config("includeIf.onbranch:main.path", put(t, dir+"/included", "[core]\nfsmonitor = "+trap+"\n"))(t, dir, trap)
		}, "", status},
		"config.worktree": {nil, func(t *testing.T, dir, trap string) {
			config("extensions.worktreeConfig", "true")(t, dir, trap)
			put(t, dir+"/.git/config.worktree", "[core]\nfsmonitor = "+trap+"\n")
		}, "", status},
		"diff.external": {nil, func(t *testing.T, dir, trap string) {
			put(t, dir+"/module/a.c", "int b;\n")
			config("diff.external", "TRAP")(t, dir, trap)
		}, "", []string{"diff"}},
		"diff.textconv": {[]string{".gitattributes", "* diff=evil\n"}, config("diff.evil.textconv", "TRAP"), "", []string{"show", "HEAD"}},
		"alias":         {nil, config("alias.st", "!TRAP"), "", []string{"st"}},
		"gpg.program, log.showSignature": {nil, func(t *testing.T, dir, trap string) {
			sign(t, dir)
			config("gpg.program", "TRAP", "log.showSignature", "true")(t, dir, trap)
		}, "", []string{"log"}},
		"gpg, export-subst": {[]string{".gitattributes", "*.c export-subst\n", "x.c", "$Format:%G?$"}, func(t *testing.T, dir, trap string) {
			sign(t, dir)
			put(t, dir+"/bin/gpg", "#!/bin/sh\n"+trap)
			t.Setenv("PATH", dir+"/bin:"+os.Getenv("PATH"))
		}, "", archive},
		"uploadpack":      {nil, lacking("remote.origin.url", "/", "remote.origin.uploadpack", "TRAP"), "", status},
		"ext::":           {nil, lacking("remote.origin.url", "ext::TRAP", "protocol.ext.allow", "always"), "", status},
		"core.sshCommand": {nil, lacking("remote.origin.url", "ssh://x.invalid/", "core.sshCommand", "TRAP"), "", status},
		"core.gitProxy":   {nil, lacking("remote.origin.url", "git://x.invalid/", "core.gitProxy", "TRAP"), "", status},
		"remote helper":   {nil, lacking("remote.origin.url", "evil::x", "remote.origin.vcs", "evil"), "", status},
		"submodule": {nil, func(t *testing.T, dir, trap string) {
			config("core.fsmonitor", "TRAP")(t, submodule(t, dir), trap)
		}, "", status},
		"submodule that is a folder of its own": {nil, func(t *testing.T, dir, trap string) {
			gitIn(t, dir, "clone", "-q", ".", "sub")
			commit(t, dir)
			config("core.fsmonitor", "TRAP")(t, dir+"/sub", trap)
		}, "", status},
		"in the submodule": {nil, func(t *testing.T, dir, trap string) {
			config("core.fsmonitor", "TRAP")(t, submodule(t, dir), trap)
		}, "sub/module", status},
		"folder like a repository": {nil, func(t *testing.T, dir, trap string) {
			for _, name := range []string{"refs/x", "objects/x"} {
				put(t, dir+"/module/"+name, "")
			}
			put(t, dir+"/module/HEAD", "ref: refs/heads/main\n")
			put(t, dir+"/module/config", "[core]\nrepositoryformatversion = 0\nbare = false\nworktree = .\nfsmonitor = "+trap+"\n")
			commit(t, dir)
		}, "module", status},
		"gitdir: beside it": {nil, func(t *testing.T, dir, trap string) {
			config("core.fsmonitor", "TRAP")(t, dir, trap)
			if err := os.Rename(dir+"/.git", dir+"/hidden"); err != nil {
				t.Fatal(err)
			}
			put(t, dir+"/.git", "gitdir: hidden\n")
		}, "", status},
		"linked work tree": {nil, func(t *testing.T, dir, trap string) {
			gitIn(t, dir, "worktree", "add", "-q", "-b", "other", "linked")
			config("core.fsmonitor", "TRAP")(t, dir, trap)
		}, "linked", status},
	}
)

// sign gives HEAD a signature that nobody made.
func sign(t *testing.T, dir string) {
	t.Helper()
	text := gitIn(t, dir, "cat-file", "commit", "HEAD")
	head, message, _ := strings.Cut(text, "\n\n")
	file := put(t, filepath.Join(t.TempDir(), "commit"), head+"\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n -----END PGP SIGNATURE-----\n\n"+message+"\n")
	gitIn(t, dir, "update-ref", "HEAD", gitIn(t, dir, "hash-object", "-t", "commit", "-w", file))
}

// TestNothingOfTheRepositoryRuns: what makes plain git run a program that the repository names makes ours run none.
func TestNothingOfTheRepositoryRuns(t *testing.T) {
	slowtest.Skip(t)
	for name, tt := range attacks {
		t.Run(name, func(t *testing.T) {
			dir := repository(t, tt.files...)
			sprung := filepath.Join(t.TempDir(), "sprung")
			trap := put(t, filepath.Join(t.TempDir(), "trap"), fmt.Sprintf("#!/bin/sh\ntouch %s\nexit 1\n", sprung))
			helper := filepath.Join(t.TempDir(), "bin")
			put(t, helper+"/git-remote-evil", "#!/bin/sh\n"+trap)
			t.Setenv("PATH", helper+":"+os.Getenv("PATH"))
			tt.plant(t, dir, trap)
			os.Remove(sprung)
			at := filepath.Join(dir, tt.at)
			State(t.Context(), at)
			if r, err := Open(t.Context(), at); err == nil {
				read(r, t)
				r.Close()
			}
			if _, err := os.Stat(sprung); err == nil {
				t.Error("a program that the repository names was run")
			}
			out, err := plainGit(t, at, tt.control...)
			if _, missing := os.Stat(sprung); missing != nil {
				t.Errorf("the attack does not even work against git %s: %v: %s", tt.control, err, out)
			}
		})
	}
}

// read asks a repository all that can be asked.
func read(r *Repo, t *testing.T) {
	if r.top != "" {
		r.Changed(t.Context(), true)
	}
	r.Tags(t.Context())
	r.File(t.Context(), "HEAD", "module/a.c")
	commit, _ := r.Commit(t.Context(), "HEAD")
	r.Tracked(t.Context())
	links, _ := r.Links(t.Context(), commit)
	for _, l := range links {
		if sub, err := r.Submodule(t.Context(), commit, l); err == nil {
			defer sub.Close()
		}
	}
	for _, at := range []string{"", commit} {
		Snapshot{Commit: at, Work: r.top, Has: func(string) bool { return true }}.Write(t.Context(), r, t.TempDir())
	}
	for _, tree := range []string{commit, commit + ":module"} {
		if cmd, err := r.Archive(t.Context(), tree, ""); err == nil {
			cmd.Stdout = io.Discard
			cmd.Run()
		}
	}
}
