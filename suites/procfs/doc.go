// Package procfs reads the texts in which the kernel tells of itself: the files under /proc that tests look at,
// and the records of /dev/kmsg.
//
// It is pure: it reads from an io.Reader and must never know where the text comes from, nor open anything itself.
// The texts are those of any kernel from 5.10 on. A line that has not the form the kernel gives it is an error,
// never skipped: a test that looks for nothing there must not find nothing because the reader stumbled.
package procfs

import (
	"bufio"
	"fmt"
	"io"
)

// maxLine bounds one line. The longest real ones are in /proc/interrupts, some ten bytes for each possible CPU.
const maxLine = 1 << 20

// eachLine calls parse with every line of r and its number, counted from 1, until one gives an error.
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
