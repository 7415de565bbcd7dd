package source

import (
	"fmt"
	"regexp"
	"strconv"
)

var (
	compilerNote = regexp.MustCompile(`^# compiler:\s*(.*)$`)
	guestNote    = regexp.MustCompile(`^# guest:\s*(.*)$`)
	guestNeeds   = regexp.MustCompile(`^(\d{1,5}) MiB more(?:, (\d{1,2}) times slower)?$`)
)

// note reads a comment of a fragment that says what no symbol can: which compiler the kernel is for, and what its guests need.
//
//	# compiler: clang
//	# guest: 256 MiB more, 3 times slower
func (f *fragment) note(line string) (ok bool, err error) {
	if m := compilerNote.FindStringSubmatch(line); m != nil {
		f.clang = m[1] == "clang"
		if !f.clang && m[1] != "gcc" {
			err = fmt.Errorf("%q: a compiler is clang or gcc", line)
		}
		return true, err
	}
	m := guestNote.FindStringSubmatch(line)
	if m == nil {
		return false, nil
	}
	needs := guestNeeds.FindStringSubmatch(m[1])
	if needs == nil {
		return true, fmt.Errorf("%q: write it like \"# guest: 256 MiB more, 3 times slower\"", line)
	}
	f.moreMiB, _ = strconv.Atoi(needs[1])
	f.slower, _ = strconv.Atoi(needs[2])
	return true, nil
}

func (r request) clang() bool {
	for _, f := range r.fragments {
		if f.clang {
			return true
		}
	}
	return false
}

// moreMiB is what all profiles need together.
func (r request) moreMiB() int {
	sum := 0
	for _, f := range r.fragments {
		sum += f.moreMiB
	}
	return sum
}

// maxSlower bounds slower: a guest that hangs in the slowest of kernels must end, too.
const maxSlower = 20

// slower is how many times longer everything takes with all profiles; what one checks, it checks in what the others do.
func (r request) slower() int {
	times := 1
	for _, f := range r.fragments {
		times = min(times*max(f.slower, 1), maxSlower)
	}
	if times == 1 {
		return 0
	}
	return times
}
