package harness

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
)

// moving is a source whose newest kernel moves.
type moving struct{ release string }

func (m *moving) Resolve(_ context.Context, sel kernels.Selector) (kernels.Resolution, error) {
	if sel.Name == "gone" {
		return kernels.Resolution{}, kernels.ErrUnavailable
	}
	return kernels.Resolution{Notices: []string{"a notice"}, Targets: []kernels.Target{{Release: m.release, Version: m.release, Source: "debian:" + sel.Name}}}, nil
}

func (m *moving) Fetch(context.Context, kernels.Target, func(kernels.Progress)) (*kernels.Tree, error) {
	return nil, kernels.ErrUnavailable
}

// dropping is a source whose archive has dropped what it had.
type dropping struct{ moving }

func (d *dropping) Gone(_ context.Context, t kernels.Target) string { return t.Release + " is gone" }

// What is pinned is not asked for; that its archive has dropped it since is said.
func TestPinsAreTakenAsTheyAre(t *testing.T) {
	pins := map[string]kernels.Resolution{"debian:sid": {Targets: []kernels.Target{{Release: "6.12.1", Version: "6.12.1", Source: "debian:sid"}}}}
	for want, source := range map[string]Source{"": &moving{"6.12.2"}, "6.12.1 is gone": &dropping{moving{"6.12.2"}}} {
		h := &Harness{sources: func(Spec) map[string]Source { return map[string]Source{"debian": source} }}
		p := &Plan{Spec: Spec{Kernels: Selectors("debian:sid"), Pins: pins}}
		if err := h.Resolve(t.Context(), p); err != nil || p.Targets[0].Release != "6.12.1" || strings.Join(p.Notices, "") != want {
			t.Errorf("%+v %q %v, want %q", p.Targets, p.Notices, err, want)
		}
		p = &Plan{Spec: Spec{Kernels: Selectors("debian:forky"), Pins: pins}}
		if err := h.Resolve(t.Context(), p); err != nil || p.Targets[0].Release != "6.12.2" {
			t.Errorf("%+v %v", p.Targets, err)
		}
		p.Spec.Locked = true
		if _, ok := errors.AsType[*UsageError](h.Resolve(t.Context(), p)); !ok {
			t.Error("what is not pinned was resolved with --locked")
		}
	}
}

func TestAskAsksAnew(t *testing.T) {
	h := &Harness{sources: func(Spec) map[string]Source { return map[string]Source{"debian": &moving{"6.12.2"}} }}
	spec := Spec{Pins: map[string]kernels.Resolution{"debian:sid": {Targets: []kernels.Target{{Release: "6.12.1"}}}}}
	all, err := h.Ask(t.Context(), spec, Selectors("debian:sid", "debian:trixie"))
	if err != nil || len(all) != 2 || all[0].Targets[0].Release != "6.12.2" || all[1].Targets[0].Source != "debian:trixie" || len(all[1].Notices) != 1 {
		t.Errorf("%+v %v", all, err)
	}
	if _, err := h.Ask(t.Context(), spec, Selectors("debian:sid", "debian:gone")); err == nil {
		t.Error("half of an answer")
	}
}
