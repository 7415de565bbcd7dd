package vm

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// pickBlocks is a Picker for blocks of lines that begin with "fault NAME" and go on with "  more".
func pickBlocks(text []byte, n int) (parts []Part, next int) {
	next = n
	for at := 0; at < n; {
		end := at + bytes.IndexByte(text[at:], '\n') + 1
		if end <= at {
			end = len(text)
		}
		if name, ok := bytes.CutPrefix(text[at:end], []byte("fault ")); ok {
			for bytes.HasPrefix(text[end:], []byte("  more")) {
				end += bytes.IndexByte(text[end:], '\n') + 1
			}
			parts = append(parts, Part{at, end, string(bytes.TrimSpace(name))})
			next = max(next, end)
		}
		at = end
	}
	return parts, next
}

// Wherever a part lies, and however the text is cut into writes, it is kept whole, once, and in its place.
func TestBoundedLogPicks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var text bytes.Buffer
	var want []string
	for i := 0; text.Len() < 4*pickStep; i++ {
		fmt.Fprintf(&text, "line %d of a guest that has much to say\n", i)
		if random.IntN(4000) == 0 {
			block := fmt.Sprintf("fault %d\n%s", i, strings.Repeat("  more of it\n", random.IntN(500)))
			want = append(want, block)
			text.WriteString(block)
		}
	}
	for _, size := range []struct{ head, tail, piece int }{{1 << 10, 1 << 12, 100_000}, {1, 1, 1 << 20}, {70_001, 300_007, 4093}, {1 << 20, 1 << 20, 1 << 24}} {
		l := &BoundedLog{Head: size.head, Tail: size.tail, Pick: pickBlocks}
		for rest := text.Bytes(); len(rest) > 0; {
			n := min(size.piece, len(rest))
			l.Write(rest[:n])
			rest = rest[n:]
		}
		got := l.String()
		if again := l.String(); again != got {
			t.Errorf("%+v: who asks twice gets another answer", size)
		}
		from := 0
		for _, block := range want {
			i := strings.Index(got[from:], "\n"+block)
			if i < 0 || strings.Count(got, "\n"+block) != 1 {
				t.Fatalf("%+v: %.20q… is there %d times, or in the wrong place", size, block, strings.Count(got, "\n"+block))
			}
			from += i + len(block)
		}
		checkGaps(t, got, text.Len(), l.Dropped())
	}
}

// checkGaps holds that what the lines about missing bytes say, and what is there, add up to total.
func checkGaps(t *testing.T, got string, total int, dropped int64) {
	t.Helper()
	marks, missing := 0, 0
	for _, m := range regexp.MustCompile(`\[modmatrix: (\d+) bytes dropped here\]\n`).FindAllStringSubmatch(got, -1) {
		n, _ := strconv.Atoi(m[1])
		marks += len(m[0])
		missing += n
	}
	if there := len(got) - marks; int64(missing) != dropped || there+missing != total && there+missing != total+1 { // a line end before the first
		t.Errorf("%d bytes are there and %d are missing (%d by its own count), of %d", there, missing, dropped, total)
	}
}

// What is picked is bounded: of what is alike the first few are kept, and the rest as far as there is room.
func TestBoundedLogPicksWithinBounds(t *testing.T) {
	tests := map[string]struct {
		name  func(i int) string
		least int // parts that are kept
		most  int
	}{
		"all alike":         {func(int) string { return "the same" }, pickAlike, pickAlike + 1}, // one in the tail
		"all different":     {func(i int) string { return fmt.Sprint(i) }, 1000, pickRoom / 1000},
		"like none of them": {func(int) string { return "" }, 900, pickRoom / 2 / 1000},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := &BoundedLog{Head: 1 << 10, Tail: 1 << 10, Pick: pickBlocks}
			for i := range 8000 {
				fmt.Fprintf(l, "fault %s\n%s", test.name(i), strings.Repeat("  more of it, which is a little long\n", 30))
				fmt.Fprintln(l, "something else")
			}
			got := l.String()
			if n := strings.Count(got, "fault "); n < test.least || n > test.most {
				t.Errorf("%d parts are kept", n)
			}
			if len(got) > pickRoom*5/4 {
				t.Errorf("%d bytes are kept", len(got))
			}
			checkGaps(t, got, int(l.total), l.Dropped())
		})
	}
}

// A line that never ends is dropped like any other, and what comes after it is seen.
func TestBoundedLogPicksBehindAnEndlessLine(t *testing.T) {
	l := &BoundedLog{Head: 16, Tail: 16, Pick: pickBlocks}
	for range 5 * pickStep / 1000 {
		l.Write(bytes.Repeat([]byte("x"), 1000))
	}
	fmt.Fprintf(l, "\nfault late\n  more\n%s", strings.Repeat("and so on\n", 10))
	if got := l.String(); !strings.Contains(got, "fault late\n  more\n") {
		t.Errorf("%.300q", got)
	}
}
