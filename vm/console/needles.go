package console

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// A needle is a text that every line of some signature holds. A log is hundreds of megabytes of lines without one, so
// all needles are looked for at once: four bytes of each needle, its rarest, are its gram; one look into a table of
// bits per byte of the log tells whether a gram may begin there, and only then the needles are compared.

// gramBits is the size of the table's index: 2^15 bits are 4 KiB and stay in the first-level cache.
const gramBits = 15

// needles finds the next needle in a log.
type needles struct {
	bits    [1 << gramBits / 64]uint64
	buckets map[uint32][]needle // by gram
}

type needle struct {
	text   []byte
	offset int // of the gram in text
}

// newNeedles prepares the search for texts; each must have at least four bytes.
func newNeedles(texts []string) *needles {
	n := &needles{buckets: map[uint32][]needle{}}
	seen := map[string]bool{}
	for _, text := range texts {
		if seen[text] {
			continue
		}
		seen[text] = true
		at := rarestGram(text)
		gram := binary.LittleEndian.Uint32([]byte(text[at:]))
		h := gramHash(gram)
		n.bits[h/64] |= 1 << (h % 64)
		n.buckets[gram] = append(n.buckets[gram], needle{[]byte(text), at})
	}
	return n
}

// next returns the end of the first needle that ends after from, -1 when there is none.
func (n *needles) next(log []byte, from int) int {
	for i := max(0, from); i+4 <= len(log); i++ {
		gram := binary.LittleEndian.Uint32(log[i:])
		h := gramHash(gram)
		if n.bits[h/64]&(1<<(h%64)) == 0 {
			continue
		}
		if end := n.match(log, i, gram, from); end >= 0 {
			return end
		}
	}
	return -1
}

// match compares the needles whose gram begins at i; none may begin before from.
func (n *needles) match(log []byte, i int, gram uint32, from int) int {
	for _, nd := range n.buckets[gram] {
		start := i - nd.offset
		if start >= from && bytes.HasPrefix(log[start:], nd.text) {
			return start + len(nd.text)
		}
	}
	return -1
}

// gramHash spreads four bytes over the table (multiplicative hashing with 2^32 over the golden ratio).
func gramHash(gram uint32) uint32 { return gram * 2654435769 >> (32 - gramBits) }

// rarestGram gives the offset of the four bytes of text that ordinary log lines hold least.
func rarestGram(text string) int {
	best, bestScore := 0, -1
	for i := 0; i+4 <= len(text); i++ {
		score := 0
		for _, c := range []byte(text[i : i+4]) {
			score += rarity(c)
		}
		if score > bestScore {
			best, bestScore = i, score
		}
	}
	return best
}

// rarity ranks a byte by how seldom it is in logs.
func rarity(c byte) int {
	const common = " 0123456789etaoinsrdclupmfhg.]:[-"
	switch {
	case strings.IndexByte(common, c) >= 0:
		return 0
	case c >= 'a' && c <= 'z':
		return 2
	}
	return 3
}
