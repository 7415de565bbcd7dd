package evidence

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/modmatrix/modmatrix/results"
)

// The bounds on a name; those of a kernel's file systems are PATH_MAX and NAME_MAX.
const (
	maxName   = 1024
	maxPart   = 255
	maxNested = 100
)

var digest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// checkEntries says what is wrong with a list of files, as the rest of a sentence: no two of the same name, none in place of a
// folder of another, each where it cannot lead out.
func checkEntries(entries []Entry) error {
	folders, before := map[string]bool{}, ""
	for i, e := range entries {
		err := e.check()
		switch {
		case err == nil && i > 0 && e.Name == before:
			err = errors.New("which is there twice")
		case err == nil && i > 0 && e.Name < before:
			err = errors.New("which is not in its place")
		}
		if err != nil {
			return fmt.Errorf("holds %q, %w", shown(e.Name), err)
		}
		for dir := path.Dir(e.Name); dir != "." && !folders[dir]; dir = path.Dir(dir) {
			folders[dir] = true
		}
		before = e.Name
	}
	for _, e := range entries {
		if folders[e.Name] {
			return fmt.Errorf("holds %q as a file and as a folder", shown(e.Name))
		}
	}
	return nil
}

func (e Entry) check() error {
	switch {
	case !utf8.ValidString(e.Name):
		return errors.New("a name that is no UTF-8")
	case path.IsAbs(e.Name):
		return errors.New("an absolute name")
	case e.Name == "" || !filepath.IsLocal(e.Name) || path.Clean(e.Name) != e.Name || e.Name == ".":
		return errors.New("a name that leads out of it")
	case strings.ContainsFunc(e.Name, unicode.IsControl):
		return errors.New("a name with control characters")
	case e.Name == ManifestName:
		return errors.New("which is the name of its manifest")
	case len(e.Name) > maxName || strings.Count(e.Name, "/") >= maxNested:
		return errors.New("a name that is too long")
	case e.Size < 0 || !digest.MatchString(e.SHA256) || e.Mode != plainMode && e.Mode != execMode:
		return errors.New("which is not described as a file")
	}
	for part := range strings.SplitSeq(e.Name, "/") {
		if len(part) > maxPart {
			return errors.New("a name that is too long")
		}
	}
	return nil
}

// shown is a stranger's text as part of a message.
func shown(s string) string {
	s = results.Plain(strings.ToValidUTF8(s, "?"))
	if runes := []rune(s); len(runes) > 100 {
		return string(runes[:99]) + "…"
	}
	return s
}
