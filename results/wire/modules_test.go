package wire

import (
	"strings"
	"testing"
)

func TestIsRequest(t *testing.T) {
	for name, want := range map[string]bool{
		"ecb": true, "crypto-ecb(aes)": true, "net-pf-10-proto-132-type-5": true, "pci:v00008086d*sv*": true, "snd_seq,1.2+x=y": true,
		strings.Repeat("a", 64): true, strings.Repeat("a", 65): false,
		"": false, "../../etc/passwd": false, "a b": false, "a\nb": false, "a\x1b[2J": false, "ä": false, "[a]": false, "a\\": false,
	} {
		if got := IsRequest(name); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}
