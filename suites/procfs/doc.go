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

// parseLines returns what parse makes of each line of r, and with an error nothing.
func parseLines[T any](r io.Reader, file string, parse func(line string) (T, error)) (list []T, err error) {
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 0, 4096), maxLine)
	for scan.Scan() {
		one, err := parse(scan.Text())
		if err != nil {
			return nil, fmt.Errorf("read %s: line %d: %w", file, len(list)+1, err)
		}
		list = append(list, one)
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("read %s: line %d: %w", file, len(list)+1, err)
	}
	return list, nil
}
