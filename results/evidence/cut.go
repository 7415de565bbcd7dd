package evidence

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// read reads an artifact. Of one that is too long, head lines at its beginning are left and some at its end, with one between that says
// how many are gone: half a line could be half of a word that has to go.
func (d *drafting) read(path string) (text []byte, head, gone int, err error) {
	in, err := d.dir.Open(path)
	if err != nil {
		return nil, 0, 0, err
	}
	defer in.Close()
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, 0, 0, errors.Join(err, errors.New("no regular file"))
	}
	return cut(in)
}

func cut(in io.Reader) (text []byte, head, gone int, err error) {
	const half = maxLog / 2
	lines := bufio.NewReaderSize(in, half)
	var first, last []byte
	full, tail := false, 0 // lines in last
	for {
		line, err := lines.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) { // longer than a half: all of it goes
			_, err = lines.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, 0, err
		}
		switch {
		case len(line) == 0:
		case long:
			full, gone = true, gone+tail+1
			last, tail = last[:0], 0
		case !full && len(first)+len(line) <= half:
			first, head = append(first, line...), head+1
		default:
			full, last, tail = true, append(last, line...), tail+1
		}
		for len(last) > half {
			end := bytes.IndexByte(last, '\n') + 1
			last, tail, gone = last[end:], tail-1, gone+1
		}
		if err != nil {
			break
		}
	}
	if gone > 0 {
		first = fmt.Appendf(first, "[modmatrix: %d lines are left out here]\n", gone)
	}
	return append(first, last...), head, gone, nil
}
