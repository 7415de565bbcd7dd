package evidence

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// damage is what is wrong with what an archive holds, as the rest of a sentence.
type damage struct{ what string }

func (d *damage) Error() string { return d.what }

func wrong(format string, args ...any) error { return &damage{fmt.Sprintf(format, args...)} }

// reading reads the tar, and writes it anew, as it has to be, to compare the two: no byte in it is free.
type reading struct {
	in      *tar.Reader
	stream  io.Reader // what in reads
	room    *io.LimitedReader
	out     *tar.Writer
	is, was hash.Hash // of what out wrote, and of what in read
}

func newReading(ctx context.Context, plain io.Reader, lim Limits) *reading {
	r := &reading{is: sha256.New(), was: sha256.New()}
	r.room = &io.LimitedReader{R: withContext{ctx, plain}, N: lim.Bytes + lim.Manifest + int64(lim.Count+1)*overhead}
	r.stream = io.TeeReader(r.room, r.was)
	r.in, r.out = tar.NewReader(r.stream), tar.NewWriter(r.is)
	return r
}

// next is the next entry, which is to have that header.
func (r *reading) next(want string) (*tar.Header, error) {
	h, err := r.in.Next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, wrong("lacks %q", shown(want))
	case err != nil:
		return nil, r.broken(err)
	case h.Name != want:
		return nil, wrong("holds %q in place of %q", shown(h.Name), shown(want))
	case h.Typeflag != tar.TypeReg:
		return nil, wrong("holds %q, which is no file", shown(h.Name))
	}
	return h, nil
}

// broken is an error of reading. One of the context stays what it is.
func (r *reading) broken(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if r.room.N <= 0 {
		return wrong("unpacks to more than it says")
	}
	return wrong("cannot be unpacked: %s", shown(err.Error()))
}

func (r *reading) manifest(schema string, lim Limits) (m Manifest, err error) {
	h, err := r.next(ManifestName)
	if err != nil {
		return m, err
	}
	if h.Size > lim.Manifest {
		return m, wrong("has a manifest of more than %d KiB", lim.Manifest>>10)
	}
	text, err := io.ReadAll(r.in)
	if err != nil {
		return m, r.broken(err)
	}
	if m, err = decodeManifest(text, schema, lim.Count); err != nil {
		return m, err
	}
	total := int64(0)
	for _, e := range m.Files {
		if total += min(e.Size, lim.Bytes+1); total > lim.Bytes {
			return m, wrong("unpacks to more than %d MiB", lim.Bytes>>20)
		}
	}
	if err := r.out.WriteHeader(manifestHeader(len(text))); err != nil {
		return m, err
	}
	_, err = r.out.Write(text)
	return m, err
}

// files reads the files that are to follow.
func (r *reading) files(entries []Entry, visit func(Entry, io.Reader) error) error {
	for _, e := range entries {
		h, err := r.next(e.Name)
		if err != nil {
			return err
		}
		if h.Size != e.Size {
			return wrong("holds %q with %d bytes, and its manifest says %d", shown(e.Name), h.Size, e.Size)
		}
		if err := r.file(e, visit); err != nil {
			return err
		}
	}
	if h, err := r.in.Next(); err == nil {
		return wrong("holds %q, which its manifest does not list", shown(h.Name))
	} else if !errors.Is(err, io.EOF) {
		return r.broken(err)
	}
	return nil
}

func (r *reading) file(e Entry, visit func(Entry, io.Reader) error) error {
	if err := r.out.WriteHeader(e.header()); err != nil {
		return err
	}
	sum := sha256.New()
	content := &source{r: io.TeeReader(r.in, io.MultiWriter(sum, r.out))}
	err := visit(e, content)
	if err == nil {
		_, err = io.Copy(io.Discard, content)
	}
	switch {
	case content.err != nil:
		return r.broken(content.err)
	case err != nil:
		return err
	case hex.EncodeToString(sum.Sum(nil)) != e.SHA256:
		return wrong("holds %q, whose bytes are not those that its manifest says", shown(e.Name))
	}
	return nil
}

// source remembers whether it was the archive that could not be read, or whoever reads it that had trouble.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// end holds that nothing follows, and that every byte was the one that had to be there.
func (r *reading) end() error {
	if err := r.out.Close(); err != nil {
		return err
	}
	if more, err := io.Copy(io.Discard, r.stream); err != nil {
		return r.broken(err)
	} else if more > 0 {
		return wrong("holds something behind its end")
	}
	if !bytes.Equal(r.is.Sum(nil), r.was.Sum(nil)) {
		return wrong("is not packed as modmatrix packs it")
	}
	return nil
}
