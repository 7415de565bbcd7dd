package vm

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestBoundedLog(t *testing.T) {
	tests := map[string]struct {
		writes []string
		want   string
	}{
		"nothing":                {nil, ""},
		"within the head":        {[]string{"one\n"}, "one\n"},
		"head and tail are full": {[]string{"12345678", "abcdefghij"}, "12345678abcdefghij"},
		"one byte over, no lines": {
			[]string{"12345678", "abcdefghijk"}, "12345678\n[modmatrix: 1 bytes dropped here]\nbcdefghijk",
		},
		"whole lines go": {
			[]string{"one\ntwo\nthree\nfour\nfive\nsix\n"}, "one\ntwo\n[modmatrix: 11 bytes dropped here]\nfive\nsix\n",
		},
		"byte by byte": {
			strings.Split("one\ntwo\nthree\nfour\nfive\nsix\n", ""), "one\ntwo\n[modmatrix: 11 bytes dropped here]\nfive\nsix\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := &BoundedLog{Head: 8, Tail: 10}
			for _, w := range test.writes {
				if n, err := l.Write([]byte(w)); n != len(w) || err != nil {
					t.Errorf("wrote %d, %v", n, err)
				}
			}
			if got := l.String(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// However the bytes are cut into writes, the same is kept, and what is kept and what is dropped add up.
func FuzzBoundedLog(f *testing.F) {
	f.Add([]byte("one\ntwo\nthree\nfour\nfive\nsix\n"), uint8(3), uint8(8), uint8(10))
	f.Add(bytes.Repeat([]byte("x"), 300), uint8(7), uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, piece, head, tail uint8) {
		whole := &BoundedLog{Head: int(head) + 1, Tail: int(tail) + 1}
		pieces := &BoundedLog{Head: int(head) + 1, Tail: int(tail) + 1}
		whole.Write(text)
		for rest := text; len(rest) > 0; {
			n := min(int(piece)+1, len(rest))
			pieces.Write(rest[:n])
			rest = rest[n:]
		}
		got := whole.Bytes()
		if !bytes.Equal(got, pieces.Bytes()) || whole.Total() != int64(len(text)) || pieces.Total() != int64(len(text)) {
			t.Fatalf("at once %q (%d), in pieces %q (%d)", got, whole.Total(), pieces.Bytes(), pieces.Total())
		}
		checkKept(t, text, got)
	})
}

// checkKept proves that got is text, or text with the said number of bytes taken out of its middle.
func checkKept(t *testing.T, text, got []byte) {
	t.Helper()
	if bytes.Equal(got, text) {
		return
	}
	for dropped := 1; dropped <= len(text); dropped++ {
		mark := fmt.Sprintf("[modmatrix: %d bytes dropped here]\n", dropped)
		for from := 0; ; {
			i := bytes.Index(got[from:], []byte(mark))
			if i < 0 {
				break
			}
			from += i
			head, tail := got[:from], got[from+len(mark):]
			for _, h := range [][]byte{head, bytes.TrimSuffix(head, []byte("\n"))} {
				if len(h)+len(tail)+dropped == len(text) && bytes.HasPrefix(text, h) && bytes.HasSuffix(text, tail) {
					return
				}
			}
			from++
		}
	}
	t.Fatalf("%q is not %q with a part taken out", got, text)
}
