package harness

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// slowSource hands out kernels only when two are asked of it at once.
type slowSource struct {
	asked atomic.Int32
	both  chan struct{}
}

func (s *slowSource) Resolve(_ context.Context, sel kernels.Selector) (kernels.Resolution, error) {
	return kernels.Resolution{Targets: []kernels.Target{{Release: sel.Name, Version: "6.1", Source: "debian:" + sel.Name}}}, nil
}

func (s *slowSource) Fetch(ctx context.Context, t kernels.Target, report func(kernels.Progress)) (*kernels.Tree, error) {
	if s.asked.Add(1) == 2 {
		close(s.both)
	}
	select {
	case <-s.both:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	report(kernels.Progress{What: "download " + t.Release, Done: 1, Total: 2, Unit: kernels.Bytes})
	if t.Release == "b" {
		return nil, kernels.ErrUnavailable
	}
	return &kernels.Tree{Target: t}, nil
}

// TestKernelsAreFetchedTogether: one that cannot be had keeps none of the others away.
func TestKernelsAreFetchedTogether(t *testing.T) {
	var units []string
	h, err := New(Options{CacheDir: t.TempDir(), Events: func(e results.Event) {
		if e.State == results.StateProgress {
			units = append(units, e.Unit)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	src := &slowSource{both: make(chan struct{})}
	h.sources = func(Spec) map[string]Source { return map[string]Source{"debian": src} }
	got, err := h.Fetch(t.Context(), Spec{Kernels: Selectors("debian:a", "debian:b", "debian:c"), Out: t.TempDir()})
	if len(got) != 2 || !errors.Is(err, kernels.ErrUnavailable) || !strings.HasPrefix(err.Error(), "b: ") {
		t.Errorf("%+v %v", got, err)
	}
	if strings.Join(units, " ") != "bytes bytes bytes" {
		t.Error(units)
	}
}
