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
