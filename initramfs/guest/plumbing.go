package guest

import (
	"fmt"
	"os"
)

// plumbing collects the files of a child, in the order of their numbers in it, and our ends of its pipes.
// After the first error the rest does nothing.
type plumbing struct {
	child []*os.File
	ours  []*os.File
	count []int // how many numbers each of child takes
	err   error
}

// add opens a file for the child.
func (p *plumbing) add(flags int, path string) {
	if p.err != nil {
		return
	}
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		p.err = fmt.Errorf("open the file of a child: %w", err)
		return
	}
	p.child, p.count = append(p.child, f), append(p.count, 1)
}

// pipeOut gives the child a pipe to write to, under the next n numbers, and us its other end.
func (p *plumbing) pipeOut(n int) *os.File {
	r, w := p.pipe()
	p.keep(r, w, n)
	return r
}

// pipeIn gives the child a pipe to read from, and us its other end.
func (p *plumbing) pipeIn() *os.File {
	r, w := p.pipe()
	p.keep(w, r, 1)
	return w
}

func (p *plumbing) pipe() (r, w *os.File) {
	if p.err == nil {
		r, w, p.err = os.Pipe()
	}
	return r, w
}

func (p *plumbing) keep(ours, child *os.File, n int) {
	if p.err == nil {
		p.ours, p.child, p.count = append(p.ours, ours), append(p.child, child), append(p.count, n)
	}
}

// fds are the numbers to start the child with.
func (p *plumbing) fds() (fds []uintptr) {
	for i, f := range p.child {
		for range p.count[i] {
			fds = append(fds, f.Fd())
		}
	}
	return fds
}

// closeChild closes what only the child may hold, so that its pipes end with it.
func (p *plumbing) closeChild() {
	for _, f := range p.child {
		f.Close()
	}
	p.child = nil
}

func (p *plumbing) close() {
	p.closeChild()
	for _, f := range p.ours {
		f.Close()
	}
}
