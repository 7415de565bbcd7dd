package git

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
)

// indexed is one file of an index.
type indexed struct {
	path   string
	mode   uint32
	object string // its hash
	stage  uint16 // of a conflict, else zero
	absent bool   // it is not meant to be in the work tree, as in a sparse checkout
	size   int64  // in the work tree; negative where the file there is not known to be the object
}

// parseListed reads what `git ls-files -z -t --stage` or `git ls-tree -r -z` prints.
func parseListed(out string) (list []indexed, err error) {
	for line := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		if line == "" {
			continue
		}
		about, path, _ := strings.Cut(line, "\t")
		words := strings.Fields(about)
		e := indexed{path: path, size: -1}
		switch {
		case len(words) == 4: // H 100644 HASH STAGE
			e.absent = words[0] == "S"
			stage, stageErr := strconv.ParseUint(words[3], 10, 2)
			e.stage, err = uint16(stage), stageErr
			words = words[1:]
		case len(words) == 3: // 100644 blob HASH
			words = []string{words[0], words[2]}
		default:
			return nil, fmt.Errorf("git lists %q", line)
		}
		mode, modeErr := strconv.ParseUint(words[0], 8, 32)
		e.mode, e.object = uint32(mode), words[1]
		if err != nil || modeErr != nil || path == "" || !commitHash.MatchString(e.object) {
			return nil, fmt.Errorf("git lists %q", line)
		}
		list = append(list, e)
	}
	return list, nil
}

// index is the file that git keeps its list in (git Documentation/gitformat-index.txt, version 3). Of the files in the work tree it knows
// size and time, which is the same for all: with core.checkStat=minimal git asks for no more to see that they did not change.
func index(list []indexed, time int64) []byte {
	slices.SortFunc(list, func(a, b indexed) int {
		return 2*strings.Compare(a.path, b.path) + int(a.stage) - int(b.stage)
	})
	var b bytes.Buffer
	b.WriteString("DIRC")
	put := func(values ...any) {
		for _, v := range values {
			binary.Write(&b, binary.BigEndian, v) // into memory: cannot fail
		}
	}
	put(uint32(3), uint32(len(list)))
	for _, e := range list {
		start := b.Len()
		seconds, size := uint32(time), uint32(max(e.size, 0))
		if e.size < 0 {
			seconds = 0
		}
		put(seconds, uint32(0), seconds, uint32(0), uint32(0), uint32(0), e.mode, uint32(0), uint32(0), size)
		object, _ := hex.DecodeString(e.object)
		b.Write(object)
		const extended, skipWorktree = 0x4000, 0x4000
		flags := e.stage<<12 | uint16(min(len(e.path), 0xfff))
		if e.absent {
			put(flags|extended, uint16(skipWorktree))
		} else {
			put(flags)
		}
		b.WriteString(e.path)
		b.Write(make([]byte, 8-(b.Len()-start)%8))
	}
	var sum hash.Hash = sha1.New()
	if len(list) > 0 && len(list[0].object) == 2*sha256.Size {
		sum = sha256.New()
	}
	sum.Write(b.Bytes())
	return sum.Sum(b.Bytes())
}
