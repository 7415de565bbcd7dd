// Package procfs parses what the kernel reports about itself: the files under /proc that tests look at, and the records of
// /dev/kmsg, as Linux 5.10 and later write them.
//
// It is pure: it reads from an io.Reader and must never know where the text comes from. A line that does not have the
// kernel's format is an error, never skipped: a test that expects something to be absent must not pass because it could not
// be parsed.
package procfs

import (
	"bufio"
	"fmt"
	"io"
)

// maxLine bounds one line. The longest real ones are in /proc/interrupts, some ten bytes for each possible CPU.
const maxLine = 1 << 20

// parseLines returns what parse makes of each line of r.
func parseLines[T any](r io.Reader, file string, parse func(line string) (T, error)) (list []T, err error) {
	err = eachLine(r, file, func(_ int, line string) error {
		one, err := parse(line)
		list = append(list, one)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// eachLine calls parse with every line of r and its number, counted from 1, until one returns an error.
func eachLine(r io.Reader, file string, parse func(n int, line string) error) error {
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 0, 4096), maxLine)
	n := 0
	for scan.Scan() {
		n++
		if err := parse(n, scan.Text()); err != nil {
			return fmt.Errorf("read %s: line %d: %w", file, n, err)
		}
	}
	if err := scan.Err(); err != nil {
		return fmt.Errorf("read %s: line %d: %w", file, n+1, err)
	}
	return nil
}
