package guest

import "os"

// plumbing collects the files of a child, in the order of their descriptors in it, and PID 1's ends of its pipes. err is
// the first error; after it, nothing else may be used but close.
type plumbing struct {
	child, ours []*os.File
	err         error
}

func (p *plumbing) open(path string) {
	f, err := os.Open(path)
	p.child = append(p.child, f)
	if p.err == nil {
		p.err = err
	}
}

// pipeOut adds a pipe that the child writes to, by n descriptors, and returns the end to read from.
func (p *plumbing) pipeOut(n int) *os.File {
	r, w := p.pipe()
	for range n {
		p.child = append(p.child, w)
	}
	p.ours = append(p.ours, r)
	return r
}

// pipeIn adds a pipe that the child reads from, and returns the end to write to.
func (p *plumbing) pipeIn() *os.File {
	r, w := p.pipe()
	p.child, p.ours = append(p.child, r), append(p.ours, w)
	return w
}

func (p *plumbing) pipe() (r, w *os.File) {
	if p.err == nil {
		r, w, p.err = os.Pipe()
	}
	return r, w
}

func (p *plumbing) fds() (fds []uintptr) {
	for _, f := range p.child {
		fds = append(fds, f.Fd())
	}
	return fds
}

// closeChild closes the child's files here, so that its pipes end with it.
func (p *plumbing) closeChild() {
	for _, f := range p.child {
		f.Close() // where it is there twice, the second time does nothing
	}
	p.child = nil
}

func (p *plumbing) close() {
	p.closeChild()
	for _, f := range p.ours {
		f.Close()
	}
}
