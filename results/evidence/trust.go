package evidence

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// SignersName is the file at the root of a module's folder that says whose signatures its author trusts.
const SignersName = "testers.allowed_signers"

// Bounds of such a file.
const (
	maxSigners     = 1 << 20 // bytes
	maxSignersLine = 16 << 10
)

// Trust is a file of allowed signers, as ssh-keygen(1) describes it: each line has principals, options and a key. A nil *Trust
// trusts nobody.
type Trust struct {
	Path  string
	Notes []string // lines that do not count, and why
	lines []allowed
	now   time.Time
}

// allowed is one line of it.
type allowed struct {
	number     int
	principals string // patterns with commas between
	namespaces string // patterns; empty: of any
	after      time.Time
	before     time.Time // zero, as after: at any time
	key        ssh.PublicKey
}

// ReadTrust reads the file at path. Of its lines those count that are valid at now.
func ReadTrust(path string, now time.Time) (*Trust, error) {
	in, err := openFile(path)
	if wrong, ok := errors.AsType[*Error](err); ok {
		return nil, fmt.Errorf("allowed signers: %s %s", path, wrong.Problem)
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxSigners+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	t, err := parseTrust(text, now)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	t.Path = path
	return t, nil
}

// FindTrust is ReadTrust of the file in the folder of a module, where there is one.
func FindTrust(dir string, now time.Time) (*Trust, error) {
	root, err := os.OpenRoot(dir) // no link in it leads anywhere else
	if err != nil {
		return nil, nil
	}
	defer root.Close()
	info, err := root.Lstat(SignersName)
	if err != nil {
		return nil, nil
	}
	path := dir + string(os.PathSeparator) + SignersName
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file: make it one, or give another with --allowed-signers", path)
	}
	return ReadTrust(path, now)
}

func parseTrust(text []byte, now time.Time) (*Trust, error) {
	if len(text) > maxSigners {
		return nil, fmt.Errorf(" larger than %d bytes", maxSigners)
	}
	t := &Trust{now: now}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxSignersLine)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		a, err := parseLine(line, now.Location())
		if errors.Is(err, errAuthority) {
			t.Notes = append(t.Notes, fmt.Sprintf("line %d: %s", n, err))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%d: %w", n, err)
		}
		a.number = n
		t.lines = append(t.lines, a)
	}
	if lines.Err() != nil {
		return nil, fmt.Errorf("%d: longer than %d bytes", n+1, maxSignersLine)
	}
	return t, nil
}

var errAuthority = errors.New("cert-authority does not count: certificates are not taken here, so list each tester's own key")

func parseLine(line string, zone *time.Location) (a allowed, err error) {
	var rest string
	if a.principals, rest, err = firstField(line); err != nil {
		return a, err
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(rest))
	if err != nil {
		return a, errors.New("no line of allowed signers: it has principals, options if any, the type of a key, and the key")
	}
	for _, option := range options {
		if err := a.option(option, zone); err != nil {
			return a, err
		}
	}
	a.key = key
	if err := checkKey(key); err != nil {
		return a, err
	}
	if !a.before.IsZero() && !a.after.IsZero() && !a.after.Before(a.before) {
		return a, errors.New("valid-before is no later than valid-after")
	}
	return a, nil
}

// firstField is the list of principals, which may be in quotes.
func firstField(line string) (field, rest string, err error) {
	if line[0] == '"' {
		field, rest, closed := strings.Cut(line[1:], `"`)
		if !closed || field == "" || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
			return "", "", errors.New("the quotes of its principals do not end")
		}
		return field, strings.TrimLeft(rest, " \t"), nil
	}
	end := strings.IndexAny(line, " \t")
	if end < 0 {
		return "", "", errors.New("it has no key")
	}
	return line[:end], strings.TrimLeft(line[end:], " \t"), nil
}

func (a *allowed) option(option string, zone *time.Location) (err error) {
	name, value, has := strings.Cut(option, "=")
	if has {
		if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
			return fmt.Errorf("the value of %s is not in quotes", shown(name))
		}
		value = value[1 : len(value)-1]
	}
	switch strings.ToLower(name) {
	case "namespaces":
		a.namespaces = value
		if value == "" {
			err = errors.New("namespaces is empty")
		}
	case "valid-after":
		a.after, err = parseTime(value, zone)
	case "valid-before":
		a.before, err = parseTime(value, zone)
	case "cert-authority":
		err = errAuthority
	default:
		err = fmt.Errorf("unknown option %q", shown(name))
	}
	return err
}

// parseTime reads YYYYMMDD[HHMM[SS]][Z], of which Z is UTC.
func parseTime(text string, zone *time.Location) (time.Time, error) {
	digits, utc := strings.CutSuffix(text, "Z")
	if utc {
		zone = time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(digits) == len(layout) {
			if t, err := time.ParseInLocation(layout, digits, zone); err == nil {
				return t, nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write it as YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with Z for UTC", shown(text))
}

// of is the principals of a key, a list of patterns for each line that counts, and else why none does.
func (t *Trust) of(key ssh.PublicKey) (lists []string, why string) {
	if t == nil {
		return nil, "there is no list of signers to look it up in"
	}
	why = "it is not listed"
	for _, a := range t.lines {
		switch {
		case !sameKey(a.key, key):
		case a.namespaces != "" && !matchList(Namespace, a.namespaces):
			why = fmt.Sprintf("line %d lists it for other namespaces than %s", a.number, Namespace)
		case !a.after.IsZero() && t.now.Before(a.after):
			why = fmt.Sprintf("line %d lists it from %s on", a.number, a.after.Format(time.DateOnly))
		case !a.before.IsZero() && !t.now.Before(a.before):
			why = fmt.Sprintf("line %d lists it until %s", a.number, a.before.Format(time.DateOnly))
		case !slices.Contains(lists, a.principals):
			lists = append(lists, a.principals)
		}
	}
	if lists != nil {
		why = ""
	}
	return lists, why
}

// matchList is match_pattern_list of OpenSSH: one of the patterns fits, and none that begins with "!".
func matchList(s, patterns string) bool {
	found := false
	for pattern := range strings.SplitSeq(patterns, ",") {
		negated := strings.HasPrefix(pattern, "!")
		if matchPattern(s, strings.TrimPrefix(pattern, "!")) {
			if negated {
				return false
			}
			found = true
		}
	}
	return found
}

// matchPattern is match_pattern of OpenSSH: "*" is any text, "?" any byte. It takes no longer than the product of both lengths.
func matchPattern(s, pattern string) bool {
	star, mark := -1, 0
	i, p := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			i, p = i+1, p+1
		case star >= 0:
			mark++
			i, p = mark, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
