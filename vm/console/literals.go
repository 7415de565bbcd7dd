package console

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// A literal is a text that every header of some signature holds. A log is hundreds of megabytes of lines without one, so
// all literals are searched at once: four bytes of each, its rarest, are its gram; one look into a table of bits per byte
// of the log says whether a gram may begin there, and only then the literals are compared.

// gramBits is the size of the table's index: 2^15 bits are 4 KiB and stay in the first-level cache.
const gramBits = 15

type literals struct {
	bits   [1 << gramBits / 64]uint64
	byGram map[uint32][]literal
}

type literal struct {
	text   []byte
	offset int // of the gram in text
}

// newLiterals prepares the search for those of sigs; each must have at least four bytes.
func newLiterals(sigs []*signature) *literals {
	l := &literals{byGram: map[uint32][]literal{}}
	seen := map[string]bool{}
	for _, s := range sigs {
		if seen[s.literal] {
			continue
		}
		seen[s.literal] = true
		at := rarestGram(s.literal)
		gram := binary.LittleEndian.Uint32([]byte(s.literal[at:]))
		h := gramHash(gram)
		l.bits[h/64] |= 1 << (h % 64)
		l.byGram[gram] = append(l.byGram[gram], literal{[]byte(s.literal), at})
	}
	return l
}

// next returns the end of the first literal that begins at from or later, -1 when there is none.
func (l *literals) next(log []byte, from int) int {
	for i := max(0, from); i+4 <= len(log); i++ {
		gram := binary.LittleEndian.Uint32(log[i:])
		h := gramHash(gram)
		if l.bits[h/64]&(1<<(h%64)) == 0 {
			continue
		}
		for _, lit := range l.byGram[gram] {
			start := i - lit.offset
			if start >= from && bytes.HasPrefix(log[start:], lit.text) {
				return start + len(lit.text)
			}
		}
	}
	return -1
}

// gramHash spreads four bytes over the table (multiplicative hashing with 2^32 over the golden ratio).
func gramHash(gram uint32) uint32 { return gram * 2654435769 >> (32 - gramBits) }

// rarestGram returns the offset of the four bytes of text that ordinary log lines hold least.
func rarestGram(text string) (best int) {
	bestScore := -1
	for i := 0; i+4 <= len(text); i++ {
		score := 0
		for _, c := range []byte(text[i : i+4]) {
			switch {
			case strings.IndexByte(" 0123456789etaoinsrdclupmfhg.]:[-", c) >= 0:
			case c >= 'a' && c <= 'z':
				score += 2
			default:
				score += 3
			}
		}
		if score > bestScore {
			best, bestScore = i, score
		}
	}
	return best
}
