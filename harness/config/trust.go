package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// Restrict drops what the file asks for beyond the sandbox, the guest and the archive, unless the command line says the same or
// the folder is trusted: kernels and suites elsewhere on this machine, results outside of the module's folder, other mirrors.
// Whoever wrote the file need not be who runs it. The note is one line for the user, empty where there is nothing to say. An
// error is a *harness.UsageError.
func (c Config) Restrict(flags Flags) (_ Config, note string, err error) {
	kept, note, err := c.restrict(flags)
	return kept, strings.Trim(note+"; "+c.wantsDevices(flags), "; "), err
}

// wantsDevices is a line for whoever could hand over what the file asks for: neither the file nor trust in it does.
func (c Config) wantsDevices(flags Flags) string {
	var wanted []string
	for _, text := range c.Guest.HostDevices {
		if !slices.Contains(flags.HostDevices, text) {
			wanted = append(wanted, "--host-device "+text)
		}
	}
	if len(wanted) == 0 {
		return ""
	}
	return harness.ConfigName + " asks for a device of this machine, which only the command line hands over: " + listed(wanted)
}

func (c Config) restrict(flags Flags) (_ Config, note string, err error) {
	kept, named := c.withoutHost(flags)
	if len(named) == 0 {
		return c, "", nil
	}
	note = harness.ConfigName + " names " + listed(named)
	if c.bundle != "" {
		return kept.ofBundle(flags, note+": ignored, give them on the command line")
	}
	trusted := c.trusted()
	if flags.Trust && !trusted {
		if err := c.trust(); err != nil {
			note += "; trusted for this time alone: " + err.Error()
			return c, note, nil
		}
		trusted = true
	}
	if trusted {
		return c, note + ": trusted until that file changes", nil
	}
	note += ": ignored, give them on the command line or --trust"
	if len(kept.Kernels) == 0 && len(flags.Kernels) == 0 {
		return kept, "", &harness.UsageError{Err: errors.New(note + "; no kernel is left")}
	}
	return kept, note, nil
}

// ofBundle is what is left of a bundle's configuration. The folder that it lies in is gone after the run, and so would be any trust in it.
func (c Config) ofBundle(flags Flags, note string) (Config, string, error) {
	if flags.Trust {
		return c, "", &harness.UsageError{Err: errors.New(c.bundle + ": " + note + ", one by one: --trust is for folders")}
	}
	if len(c.Kernels) == 0 && len(flags.Kernels) == 0 {
		return c, "", &harness.UsageError{Err: errors.New(c.bundle + ": " + note + "; no kernel is left")}
	}
	return c, note, nil
}

// listed are words of a list in a sentence; of a long one, the first.
func listed(words []string) string {
	const most = 6
	if len(words) > most {
		words = append(slices.Clone(words[:most]), fmt.Sprintf("%d more", len(words)-most))
	}
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// withoutHost is c without what acts on the host by its word alone, and how the file names that.
func (c Config) withoutHost(flags Flags) (Config, []string) {
	var named []string
	c.Kernels, named = notLocal(c.Kernels, flags, named)
	c.Required, named = notLocal(c.Required, flags, named)
	sets := map[string][]kernels.Selector{}
	for name, set := range c.Sets {
		sets[name], named = notLocal(set, flags, named)
	}
	c.Sets = sets
	slices.Sort(named)
	named = slices.Compact(named)
	if len(flags.Kernels) > 0 && !slices.ContainsFunc(flags.Kernels, isSet) {
		named = nil // the file's kernels are not asked for
	}
	if !c.isInFolder(c.Out) && flags.Out == "" {
		named = append(named, "out="+c.Out)
	}
	if !c.isInFolder(c.Out) {
		c.Out = harness.OutName
	}
	if fw := c.Guest.firmwareDir(); fw != "" && !inside(c.repository(), fw) {
		if flags.Firmware == "" {
			named = append(named, "guest.firmware="+fw)
		}
		c.Guest.Firmware = ""
	}
	suites := c.Suites
	c.Suites = nil
	for _, dir := range suites {
		if dir == harness.Lifecycle || dir == results.Checks || slices.Contains(c.Ready, dir) || slices.Contains(flags.Suites, dir) || c.bundle == "" && inside(c.repository(), dir) {
			c.Suites = append(c.Suites, dir)
		} else if len(flags.Suites) == 0 || slices.Contains(flags.Suites, filepath.Base(dir)) {
			named = append(named, "suites="+dir)
		}
	}
	if len(c.Suites) == 0 {
		c.Suites = []string{harness.Lifecycle}
	}
	for _, m := range []struct {
		key, env string
		address  *string
	}{
		{"debian.mirror", "MODMATRIX_DEBIAN_MIRROR", &c.Debian.Mirror},
		{"debian.security_mirror", "MODMATRIX_DEBIAN_SECURITY_MIRROR", &c.Debian.SecurityMirror},
	} {
		if *m.address != "" && *m.address != os.Getenv(m.env) {
			named = append(named, m.key+"="+*m.address)
			*m.address = ""
		}
	}
	return c, named
}

// isSet reports whether a selector of the command line stands for a set of the file.
func isSet(text string) bool { return strings.HasPrefix(text, "@") }

// notLocal are those of list that lie in an archive or were given on the command line, and named with the others.
func notLocal(list []kernels.Selector, flags Flags, named []string) (kept []kernels.Selector, _ []string) {
	for _, sel := range list {
		if !sel.Local() || slices.Contains(flags.Kernels, sel.String()) {
			kept = append(kept, sel)
		} else {
			named = append(named, sel.String())
		}
	}
	return kept, named
}

// isInFolder reports whether path, relative to where we are, lies in the folder of the file, through whatever links.
func (c Config) isInFolder(path string) bool {
	return path == harness.OutName || c.bundle == "" && inside(c.dir, path)
}

// repository is the folder at whose top the git repository begins that the file lies in; without one, the file's own. That of
// a user who keeps the whole home in one does not count.
func (c Config) repository() string {
	dir := real(c.dir)
	if c.bundle != "" {
		return dir
	}
	home, _ := os.UserHomeDir()
	for top := dir; top != filepath.Dir(top) && top != real(home); top = filepath.Dir(top) {
		if _, err := os.Lstat(filepath.Join(top, ".git")); err == nil {
			return top
		}
	}
	return dir
}

// inside reports whether path is dir or lies below it, with all links resolved.
func inside(dir, path string) bool {
	rel, err := filepath.Rel(real(dir), real(path))
	return err == nil && filepath.IsLocal(rel)
}

// real is the absolute path without symbolic links, as far as it exists.
func real(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	rest := ""
	for {
		if found, err := filepath.EvalSymlinks(path); err == nil {
			return filepath.Join(found, rest)
		}
		if _, err := os.Lstat(path); err == nil || path == filepath.Dir(path) {
			return "" // a link that leads nowhere, or one that may not be read
		}
		path, rest = filepath.Dir(path), filepath.Join(filepath.Base(path), rest)
	}
}

// trustFile is where it is noted that the user trusts this file in this folder, below the user's state.
func (c Config) trustFile() (string, error) {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the folder of your state: %w", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	sum := sha256.Sum256(append([]byte(real(c.dir)+"\x00"), c.text...))
	return filepath.Join(state, "modmatrix", "trusted", hex.EncodeToString(sum[:])), nil
}

func (c Config) trusted() bool {
	path, err := c.trustFile()
	if err != nil {
		return false
	}
	_, err = os.Stat(path)
	return err == nil
}

func (c Config) trust() error {
	path, err := c.trustFile()
	if err != nil {
		return err
	}
	return cmp.Or(os.MkdirAll(filepath.Dir(path), 0o700), renameio.WriteFile(path, []byte(real(c.dir)+"\n"), 0o600))
}
