package kbuild

import (
	"errors"
	"strings"
	"syscall"
	"testing"
)

// TestBuildFlood: a build may say as much as it likes; what is kept is bounded, and the end is still understood.
func TestBuildFlood(t *testing.T) {
	var size int64
	log := writerFunc(func(p []byte) (int, error) { size += int64(len(p)); return len(p), nil })
	_, err := Build(t.Context(), Request{Tree: fakeTree(t), Dir: t.TempDir(), Log: log,
		Source: Source{Top: withKO(t, "head -c 65M /dev/zero; yes | head -c 1M; echo; echo a.c:1:1: error: after all; exit 1")}})
	var fault *Error
	if !errors.As(err, &fault) || fault.Reason != "a.c:1: after all" {
		t.Errorf("error is %v", err)
	}
	if size > maxLog+1<<10 {
		t.Errorf("%d bytes of log", size)
	}
}

// TestBuildLogFull: a log that cannot be written does not look like a module that cannot be built.
func TestBuildLogFull(t *testing.T) {
	log := writerFunc(func([]byte) (int, error) { return 0, syscall.ENOSPC })
	_, err := Build(t.Context(), Request{Tree: fakeTree(t), Source: Source{Top: withKO(t, makeHello)}, Dir: t.TempDir(), Log: log})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "build log") {
		t.Errorf("error is %v", err)
	}
}
