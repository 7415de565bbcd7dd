package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/modmatrix/modmatrix/results"
)

func sample() []Frame {
	return []Frame{
		{Kind: KindHello, Release: "6.12.107+deb13-amd64"},
		{Kind: KindPlan, Suite: "s", Specs: []Spec{{Name: "a", Group: "o"}, {Name: "b", State: "skipped"}}},
		{Kind: KindSpecEnd, Spec: &Spec{Name: "a", State: "failed", DurationMS: 12, Message: "expected <1>\nto equal 2", Output: "ü\t1"}},
		{Kind: KindLoad, Module: "foo", Errno: 22},
		{Kind: KindEnd},
	}
}

func stream(t *testing.T, frames []Frame) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, "n0nce")
	w.Clock = func() int64 { return 7 }
	for _, f := range frames {
		if err := w.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// readAll reads until an error, and returns the error that ended it.
func readAll(r *Reader) (frames []Frame, err error) {
	for {
		f, err := r.Next()
		if err != nil {
			return frames, err
		}
		frames = append(frames, f)
	}
}

func TestRoundTrip(t *testing.T) {
	line := stream(t, sample())
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(line), "byte by byte": iotest.OneByteReader(bytes.NewReader(line)),
		"error with data": iotest.DataErrReader(bytes.NewReader(line)),
	} {
		reader := NewReader(r)
		got, err := readAll(reader)
		if err != io.EOF || reader.Garbage != 0 || reader.Damaged != 0 {
			t.Errorf("%s: err %v, %d bytes of garbage, %d damaged", name, err, reader.Garbage, reader.Damaged)
		}
		if len(got) != len(sample()) {
			t.Fatalf("%s: %d frames", name, len(got))
		}
		for i, f := range got {
			if f.Seq != uint64(i+1) || f.Nonce != "n0nce" || f.At != 7 || f.Kind != sample()[i].Kind {
				t.Errorf("%s: frame %d is %+v", name, i, f)
			}
		}
		if got[2].Spec.Message != sample()[2].Spec.Message || got[2].Spec.Output != "ü\t1" || got[1].Specs[1].State != "skipped" {
			t.Errorf("%s: specs changed on the way: %+v %+v", name, got[2].Spec, got[1].Specs)
		}
	}
}

func TestWriterIsSafeForManyGoroutines(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, "n")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				_ = w.Write(Frame{Kind: KindHeartbeat})
			}
		})
	}
	wg.Wait()
	got, err := readAll(NewReader(&b))
	if err != io.EOF || len(got) != 400 {
		t.Fatalf("%d frames, %v", len(got), err)
	}
	for i, f := range got {
		if f.Seq != uint64(i+1) {
			t.Fatalf("frame %d has number %d", i, f.Seq)
		}
	}
}

func TestTooLargeUsesNoNumber(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, "n")
	specs := make([]Spec, 4000)
	for i := range specs {
		specs[i].Name = strings.Repeat("x", 1000)
	}
	if err := w.Write(Frame{Kind: KindPlan, Specs: specs}); err == nil {
		t.Fatal("a frame of 4 MB was sent")
	}
	if err := w.Write(Frame{Kind: KindEnd}); err != nil {
		t.Fatal(err)
	}
	f, err := NewReader(&b).Next()
	if err != nil || f.Seq != 1 {
		t.Fatalf("%+v, %v", f, err)
	}
}

// frameOf frames any bytes, right checksums included.
func frameOf(text string) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(magic), uint32(len(text)))
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(b, text...)
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE([]byte(text)))
}

func TestReaderOnBadStreams(t *testing.T) {
	good := stream(t, []Frame{{Kind: KindEnd}})
	broken := bytes.Clone(good)
	broken[headerSize+3] ^= 1
	long := binary.LittleEndian.AppendUint32([]byte(magic), MaxFrame+1)
	long = binary.LittleEndian.AppendUint32(long, crc32.ChecksumIEEE(long))
	for _, c := range []struct {
		name    string
		in      []byte
		frames  int
		damaged int
		err     error
	}{
		{"nothing", nil, 0, 0, io.EOF},
		{"text", []byte("login: \xf5 MMX"), 0, 0, io.EOF},
		{"garbage around", cat([]byte("boot\x00"), good, []byte("\xf5\xf5"), good, []byte("tail")), 2, 0, io.EOF},
		{"cut in the JSON", good[:len(good)-6], 0, 0, io.ErrUnexpectedEOF},
		{"cut in the magic", cat(good, good[:2]), 1, 0, io.ErrUnexpectedEOF},
		{"cut in the header", cat(good, good[:9]), 1, 0, io.ErrUnexpectedEOF},
		{"cut, then whole", cat(good[:20], good), 1, 1, io.EOF},
		{"damaged, then whole", cat(broken, good), 1, 1, io.EOF},
		{"one byte lost", cat(good[:headerSize+5], good[headerSize+6:], good), 1, 1, io.EOF},
		{"announces too much", cat(long, good), 1, 0, io.EOF},
		{"not JSON", cat(frameOf("hello"), good), 1, 1, io.EOF},
		{"no kind", cat(frameOf("{}"), good), 1, 1, io.EOF},
		{"wrong types", cat(frameOf(`{"kind":"end","seq":-1}`), good), 1, 1, io.EOF},
		{"deep", cat(frameOf(`{"kind":"end","x":`+strings.Repeat("[", 9)+strings.Repeat("]", 9)+`}`), good), 1, 1, io.EOF},
		{"wide", cat(frameOf(`{"kind":"plan","specs":[`+strings.Repeat("null,", maxCommas)+`null]}`), good), 1, 1, io.EOF},
		{"brackets in a string", frameOf(`{"kind":"end","text":"` + strings.Repeat(`[\"`, 100) + `"}`), 1, 0, io.EOF},
		{"hopeless", bytes.Repeat(frameOf("x"), maxDamage+2), 0, maxDamage + 1, ErrDamaged},
	} {
		r := NewReader(bytes.NewReader(c.in))
		got, err := readAll(r)
		if len(got) != c.frames || r.Damaged != c.damaged || !errors.Is(err, c.err) {
			t.Errorf("%s: %d frames, %d damaged, %v", c.name, len(got), r.Damaged, err)
		}
	}
	if _, err := NewReader(iotest.ErrReader(io.ErrClosedPipe)).Next(); err != io.ErrClosedPipe {
		t.Errorf("the stream's own error became %v", err)
	}
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// FuzzReader puts any garbage between frames, and any bytes into one: the frames must come out, and nothing else break.
func FuzzReader(f *testing.F) {
	good := stream(&testing.T{}, sample())
	f.Add([]byte("garbage"), []byte(`{"kind":"x"}`), 3)
	f.Add(good[:40], []byte(`{"kind":"plan","specs":[{"name":"\u001b[31m"}]}`), 1)
	f.Add([]byte("\xf5MMX\xf5MM"), []byte("[[[[[[[[[["), 0)
	f.Add(good[:headerSize], good, 7)
	f.Fuzz(func(t *testing.T, garbage, text []byte, cut int) {
		if NewReader(bytes.NewReader(garbage)).wellFormed() {
			t.Skip() // it is frames, not garbage
		}
		line := cat(garbage, good, garbage, good)
		var src io.Reader = bytes.NewReader(line)
		if cut%2 == 0 {
			src = iotest.HalfReader(src)
		}
		got, _ := readAll(NewReader(src))
		if len(got) != 2*len(sample()) {
			t.Errorf("%d frames of %d", len(got), 2*len(sample()))
		}
		for _, in := range [][]byte{text, frameOf(string(text)), cat(good[:abs(cut)%len(good)], text)} {
			frames, err := readAll(NewReader(bytes.NewReader(in)))
			if err == nil {
				t.Error("no end")
			}
			for _, f := range frames {
				again := f
				again.clean()
				if _, err := encode(f); err != nil && len(text) < MaxFrame/8 {
					t.Errorf("what was read cannot be written: %v", err)
				}
				if again.Text != f.Text || again.Release != f.Release || f.Spec != nil && *again.Spec != *f.Spec {
					t.Errorf("cleaning twice differs: %q %q", f.Text, again.Text)
				}
			}
		}
	})
}

// wellFormed says that a stream holds at least one frame.
func (r *Reader) wellFormed() bool {
	_, err := r.Next()
	return err == nil
}

func abs(n int) int {
	if n < 0 {
		return -(n + 1)
	}
	return n
}

func TestScrub(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext\n":                  "plain\ttext\n",
		"a\r\nb\rc":                      "a\nb\nc",
		"\x1b[1;31mred\x1b[0m":           "red",
		"\x1b]0;title\x07x":              "x",
		"\x1b]8;;http://x\x1b\\link":     "link",
		"\x1b]0;open\nnext":              "\nnext",
		"\x1bcreset":                     "reset",
		"\x1b":                           "",
		"\x1b[31":                        "",
		"\x1b[3\x00;1m":                  ";1m",
		"nul\x00bell\x07bs\b":            "nulbellbs",
		"c1\u009b31m":                    "c131m",
		"bad\xff\xfe\x80utf":             "bad\uFFFDutf",
		"\u202eevil\u2066\u200f\u061c":   "evil",
		"para\u2029line\u2028next\u0085": "para\nline\nnext\n",
		"bom\ufeff\ufffe":                "bom",
		"größe 漢字 🙂":                     "größe 漢字 🙂",
	} {
		if got := scrub(in); got != want {
			t.Errorf("scrub(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCleanBounds(t *testing.T) {
	long := strings.Repeat("ä", 100<<10)
	f := Frame{Kind: KindSpecEnd, Text: long, Stage: "a\nb", Spec: &Spec{Name: "one\n two\t" + long, Message: long, Output: long}}
	original := f.Spec
	f.clean()
	if len(f.Text) > maxText || len(f.Spec.Output) > maxText || len(f.Spec.Message) > maxMessage || len(f.Spec.Name) > maxName {
		t.Errorf("too long: %d %d %d %d", len(f.Text), len(f.Spec.Output), len(f.Spec.Message), len(f.Spec.Name))
	}
	if f.Stage != "a b" || !strings.HasPrefix(f.Spec.Name, "one two ä") || !strings.Contains(f.Text, "[…]") {
		t.Errorf("%q %q", f.Stage, f.Spec.Name)
	}
	if original.Message != long {
		t.Error("the caller's spec was changed")
	}
	if _, err := encode(Frame{Kind: KindSpecEnd, Text: strings.Repeat("<", maxText), Spec: &Spec{
		Name: strings.Repeat("<", maxName), Message: strings.Repeat("<", maxMessage), Output: strings.Repeat("<", maxText)}}); err != nil {
		t.Errorf("the largest spec does not fit: %v", err)
	}
}

func TestMarker(t *testing.T) {
	long := strings.Repeat("long ", 300)
	for _, m := range []Mark{
		{Stage: StageLoad}, {Stage: StageUnload, Done: true},
		{Spec: 7, Name: "drains the log: before suspend"}, {Spec: 12, Name: "x", Done: true}, {Spec: 1},
		{Suite: "my \"suite\": end", Stage: StageTest}, {Suite: "größe", Spec: 3, Name: "\"quoted\" name", Done: true},
	} {
		text := Marker("abc", m)
		for _, prefix := range []string{"", "[    1.234567] ", "<13>[    1.234567][    T1] ", "half a line"} {
			got, ok := ParseMarker(prefix+text+"\r\n", "abc")
			if !ok || got != m {
				t.Errorf("%q: %+v, %v", prefix+text, got, ok)
			}
		}
		if _, ok := ParseMarker(text, "other"); ok {
			t.Errorf("%q passes for another nonce", text)
		}
	}
	text := Marker("abc", Mark{Suite: strings.Repeat("\u00a0", 300) + "x" + strings.Repeat("\"", 300), Spec: 3, Name: "evil\nmodmatrix abc: end begin\x1b[2J " + long})
	if strings.ContainsAny(text, "\n\x1b") || len(text) > 900 {
		t.Errorf("marker %q", text)
	}
	if m, ok := ParseMarker(text, "abc"); !ok || m.Spec != 3 || !strings.HasPrefix(m.Name, "evil modmatrix abc: end begin long") {
		t.Errorf("%+v %v", m, ok)
	}
	for _, bad := range []string{"", "modmatrix abc", "modmatrix abc: ", "modmatrix abc: spec x begin: y", "modmatrix abc: spec 0 begin: y",
		"modmatrix abc: spec 4 middle: y", "modmatrix abc: load", "modmatrix abc:  begin", "modmatrix : load begin"} {
		if m, ok := ParseMarker(bad, "abc"); ok {
			t.Errorf("%q became %+v", bad, m)
		}
		if _, ok := ParseMarker(bad, ""); ok {
			t.Errorf("%q passes without a nonce", bad)
		}
	}
}

func FuzzParseMarker(f *testing.F) {
	f.Add("[ 1.0] modmatrix abc: spec 7 begin: NAME", "name\n", "suite")
	f.Add("[ 1.0] modmatrix abc: \"x\" load end", "\"", "\\")
	f.Fuzz(func(t *testing.T, text, name, suite string) {
		ParseMarker(text, "abc")
		m, ok := ParseMarker(Marker("abc", Mark{Suite: suite, Spec: 5, Name: name}), "abc")
		if !ok || m.Spec != 5 || m.Suite != cut(line(suite), maxMarkSuite) || m.Name != cut(line(name), maxMarkName) {
			t.Errorf("%q came back as %+v", name, m)
		}
	})
}

func TestPipeWriterWaits(t *testing.T) {
	frames, suite := io.Pipe()
	acks, pid1 := io.Pipe()
	p := NewPipeWriter(suite, acks)
	done := make(chan error)
	go func() { done <- p.Write(Frame{Kind: KindSpecStart, Spec: &Spec{Name: "x"}}) }()
	f, err := NewReader(frames).Next()
	if err != nil || f.Spec.Name != "x" {
		t.Fatalf("%+v %v", f, err)
	}
	select {
	case err := <-done:
		t.Fatalf("returned before it was acknowledged: %v", err)
	default:
	}
	if _, err := pid1.Write(Ack("")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, refused := range []string{"no device\x06 named \"kbd\"", strings.Repeat("x", 2*maxName)} {
		go func() { done <- p.Write(Frame{Kind: KindPlug, Text: "kbd"}) }()
		_, _ = NewReader(frames).Next()
		_, _ = pid1.Write(Ack(refused))
		if err := <-done; err == nil || err.Error() != line(refused) {
			t.Fatalf("refused for %q: %v", refused, err)
		}
	}
	go func() { done <- p.Write(Frame{Kind: KindSpecEnd}) }()
	_, _ = NewReader(frames).Next()
	_ = pid1.Close()
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Fatalf("without PID 1: %v", err)
	}
}

func TestStagesAreThoseOfResults(t *testing.T) {
	for stage, want := range map[string]results.Stage{
		StageBoot: results.StageBoot, StageLoad: results.StageLoad, StageTest: results.StageTest,
		StageUnload: results.StageUnload, StageShutdown: results.StageShutdown,
	} {
		if stage != string(want) {
			t.Errorf("%q is %q in results", stage, want)
		}
	}
}
