package judge

import (
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/wire"
)

// A guest can say little at a time and yet much: 10,000 lists' entries of 64 KiB are more than a host has to spare.
func TestAGuestIsNotKeptWithoutEnd(t *testing.T) {
	g := NewGuest("n")
	text := strings.Repeat("x", 1<<16)
	for seq := range uint64(2 * maxStory >> 16) {
		g.Add(wire.Frame{Kind: wire.KindTrouble, Nonce: "n", Seq: seq + 1, Text: text})
	}
	if held := len(g.Trouble) << 16; held > maxStory || !strings.Contains(g.Broken, "more than 64 MiB") {
		t.Errorf("%d MiB are kept, doubt %q", held>>20, g.Broken)
	}
	if g.Add(wire.Frame{Kind: wire.KindEnd, Nonce: "n", Seq: g.expected}); !g.End || g.Lost {
		t.Errorf("its end: %v, lost: %v", g.End, g.Lost)
	}
}
