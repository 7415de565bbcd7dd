package here

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kept is one piece of what a kernel kept of its log as it went down (Linux Documentation/admin-guide/pstore-blk.rst, ramoops.rst).
type Kept struct {
	Name string    `json:"name"` // of its file
	Time time.Time `json:"time"`
	Text string    `json:"text"`
}

// The bounds of what is read.
const (
	maxKept  = 256
	keptSize = 1 << 20 // bytes of each
)

// Folders are where a kernel shows what it kept, and where systemd moves it at the next boot.
var Folders = []string{"/sys/fs/pstore", "/var/lib/systemd/pstore"}

// Pstore reads what lies in folders and below, in the order of names. An error says that there is something that may not be read.
func Pstore(folders ...string) (list []Kept, err error) {
	for _, dir := range folders {
		walked := filepath.WalkDir(dir, func(path string, d fs.DirEntry, failed error) error {
			switch {
			case failed != nil && os.IsNotExist(failed):
				return nil
			case failed != nil:
				return failed
			case !d.Type().IsRegular() || !strings.HasPrefix(d.Name(), "dmesg-") && !strings.HasPrefix(d.Name(), "console-") || len(list) >= maxKept:
				return nil
			}
			kept, failed := readKept(path)
			if failed == nil {
				list = append(list, kept)
			}
			return failed
		})
		err = cmp.Or(err, walked)
	}
	return list, err
}

// maxAnswer bounds what a helper says, in bytes: JSON may write a byte as six.
const maxAnswer = 16 << 20

// AskPstore has a command that Command gave write what Pstore returns, as WritePstore does: by itself, this process may not read it.
func AskPstore(ctx context.Context, argv []string) (list []Kept, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	said, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	var text []byte
	if err == nil {
		if text, err = io.ReadAll(io.LimitReader(said, maxAnswer)); len(text) == maxAnswer {
			stop()
		}
		err = cmp.Or(cmd.Wait(), err)
	}
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("have the helper read pstore: %w", err)
	}
	return list, nil
}

// WritePstore writes what Pstore returns for Folders.
func WritePstore(w io.Writer) error {
	list, err := Pstore(Folders...)
	if err != nil {
		return fmt.Errorf("read pstore: %w", err)
	}
	return json.NewEncoder(w).Encode(list)
}

func readKept(path string) (k Kept, err error) {
	f, err := os.Open(path)
	if err != nil {
		return k, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return k, err
	}
	text, err := io.ReadAll(io.LimitReader(f, keptSize))
	return Kept{filepath.Base(path), info.ModTime(), string(text)}, err
}

// part is the first line of a piece: "Panic#2 Part1" (Linux fs/pstore/platform.c, pstore_dump). The newest lines are in Part1.
var part = regexp.MustCompile(`^([A-Za-z ]+)#(\d+) Part(\d+)\n`)

// Last is the log of a kernel that went down after since, as far as list has it, or that has logged word: all dumps of it, the oldest
// lines first, and each line once, however often it was kept.
func Last(list []Kept, word string, since time.Time) string {
	type piece struct {
		count, part int
		text        string
	}
	var pieces []piece
	for _, k := range list {
		if k.Time.Before(since) && !strings.Contains(k.Text, word) {
			continue
		}
		p := piece{text: k.Text}
		if m := part.FindStringSubmatch(k.Text); m != nil {
			p.count, _ = strconv.Atoi(m[2]) // the pattern has digits only
			p.part, _ = strconv.Atoi(m[3])
			p.text = k.Text[len(m[0]):]
		}
		pieces = append(pieces, p)
	}
	slices.SortFunc(pieces, func(a, b piece) int {
		return cmp.Or(cmp.Compare(a.count, b.count), cmp.Compare(b.part, a.part), strings.Compare(a.text, b.text))
	})
	var b strings.Builder
	seen := map[string]bool{}
	for _, p := range pieces {
		for line := range strings.Lines(p.text) {
			line = strings.TrimRight(line, "\n")
			if line != "" && !seen[line] {
				seen[line] = true
				b.WriteString(line + "\n")
			}
		}
	}
	return b.String()
}
