package git

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var (
	// head is what a HEAD may hold.
	head = regexp.MustCompile(`^(ref: refs/[^\x00-\x20]+|[0-9a-f]{40}([0-9a-f]{24})?)$`)
	// harmless are settings that say how the files of a work tree are to be compared, and start nothing; plain are their values.
	harmless = regexp.MustCompile(`^core\.(autocrlf|checkstat|eol|filemode|ignorecase|precomposeunicode|symlinks|trustctime)$`)
	plain    = regexp.MustCompile(`^[0-9A-Za-z]{0,20}$`)
	// formats are the settings without which a repository cannot be read.
	formats = []string{"extensions.objectformat", "extensions.refstorage"}
)

// borrow fills the private git folder: with HEAD, with a configuration, and with links to what else is read. Objects are borrowed
// through the environment.
func (r *Repo) borrow(ctx context.Context) error {
	at, err := readLine(filepath.Join(r.dir, "HEAD"))
	if err != nil {
		return err
	}
	if !head.MatchString(at) {
		return fmt.Errorf("%s holds no reference", filepath.Join(r.dir, "HEAD"))
	}
	theirs := settings(ctx, filepath.Join(r.common, "config"))
	config := fmt.Sprintf("[core]\nrepositoryformatversion = 1\nbare = %t\n[extensions]\n", r.top == "")
	for _, key := range formats {
		if value := theirs[key]; value != "" && plain.MatchString(value) {
			config += strings.TrimPrefix(key, "extensions.") + " = " + value + "\n"
		}
	}
	for name, text := range map[string]string{"HEAD": at + "\n", "config": config} {
		if err := os.WriteFile(filepath.Join(r.own, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if err := os.Mkdir(filepath.Join(r.own, "info"), 0o700); err != nil {
		return err
	}
	r.options = comparing(settings(ctx, ""), theirs)
	return r.link()
}

// comparing are the options that have files compared as the user's and the repository's settings say.
func comparing(users, theirs map[string]string) (options []string) {
	for _, from := range []map[string]string{users, theirs} {
		for _, key := range slices.Sorted(maps.Keys(from)) {
			if harmless.MatchString(key) && plain.MatchString(from[key]) {
				options = append(options, "-c", key+"="+from[key])
			}
		}
	}
	if ignored := users["core.excludesfile"]; ignored != "" {
		options = append(options, "-c", "core.excludesFile="+ignored)
	}
	return options
}

// link borrows what is there of a repository's parts.
func (r *Repo) link() error {
	parts := map[string]string{}
	for _, name := range []string{"refs", "packed-refs", "reftable", "shallow", "logs", "info/exclude"} {
		parts[name] = filepath.Join(r.common, name)
	}
	for _, name := range []string{"index", "FETCH_HEAD", "ORIG_HEAD", "MERGE_HEAD"} {
		parts[name] = filepath.Join(r.dir, name)
	}
	inDir, err := os.ReadDir(r.dir)
	for _, d := range inDir {
		if strings.HasPrefix(d.Name(), "sharedindex.") && d.Type().IsRegular() { // of a split index; git sets its time anew
			text, readErr := os.ReadFile(filepath.Join(r.dir, d.Name()))
			err = errors.Join(err, readErr, os.WriteFile(filepath.Join(r.own, d.Name()), text, 0o600))
		}
	}
	for name, from := range parts {
		if info, err := os.Stat(from); err != nil || !info.IsDir() && !info.Mode().IsRegular() {
			continue
		}
		err = errors.Join(err, os.Symlink(from, filepath.Join(r.own, name)))
	}
	return err
}
