package kernels

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// OpenRegular opens the regular file called name below root, which may be a stranger's folder. It waits for nobody: what is no
// regular file is an error at once, be it a FIFO that nobody writes to.
func OpenRegular(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file (%v)", filepath.Join(root.Name(), name), info.Mode())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ReadRegular reads the file that OpenRegular opens. More than limit bytes are an error.
func ReadRegular(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := OpenRegular(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d KiB", filepath.Join(root.Name(), name), limit>>10)
	}
	return data, err
}

// ReadFileIn is ReadRegular for the folder dir.
func ReadFileIn(dir, name string, limit int64) ([]byte, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder", dir) // os.OpenRoot would wait for whoever writes to a FIFO
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return ReadRegular(root, name, limit)
}

// ReadWith is r until ctx ends; then reading is the error of ctx.
func ReadWith(ctx context.Context, r io.Reader) io.Reader { return withContext{ctx, r} }

type withContext struct {
	ctx context.Context
	io.Reader
}

func (r withContext) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
