package wire

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestReadDoings(t *testing.T) {
	var text []byte
	for _, d := range []Doing{{Boot: "b", Stage: "load", Modules: []string{"fifo"}, Time: time.Unix(1, 0).UTC()}, {Boot: "b", Stage: "test", Spec: strings.Repeat("long\n", 1000)}} {
		line, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, line...)
	}
	for cut := range text { // whatever was on the disk, no more than what is whole counts
		if n, whole := len(ReadDoings(bytes.NewReader(text[:cut]))), bytes.Count(text[:cut], []byte("\n")); n != whole {
			t.Fatalf("%d of %d after %d bytes", n, whole, cut)
		}
	}
	list := ReadDoings(bytes.NewReader(text))
	if len(list) != 2 || list[0].Modules[0] != "fifo" || strings.Contains(list[1].Spec, "\n") {
		t.Errorf("%+v", list)
	}
	for _, bad := range []string{"{}\n", "null\n", `{"boot":"b"}` + "\n", strings.Repeat(" ", maxDoing+1) + "\n", strings.Repeat("[", 100) + "\n"} {
		if list := ReadDoings(strings.NewReader(bad + string(text))); len(list) != 0 {
			t.Errorf("%.20q: %v", bad, list)
		}
	}
}

func FuzzReadDoings(f *testing.F) {
	f.Add([]byte(`{"boot":"b","stage":"load"}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, d := range ReadDoings(bytes.NewReader(text)) {
			line, err := d.Encode()
			if err != nil {
				continue // longer than a line may be, once it is written as JSON
			}
			if again := ReadDoings(bytes.NewReader(line)); len(again) != 1 || again[0].Spec != d.Spec || again[0].Label != d.Label {
				t.Errorf("%+v", d)
			}
		}
	})
}
