package results

import (
	"fmt"
	"strings"
	"testing"
)

func TestHolds(t *testing.T) {
	rec := func(version string, status Status, all ...Prediction) Record {
		return Record{Target: Target{Release: version, Version: version}, Suite: "lifecycle", Status: status, Predicted: all}
	}
	p := func(predicted, observed Answer, breaks ...Break) Prediction {
		return Prediction{Binary: Binary{Module: "fifo"}, Predicted: predicted, Observed: observed, Breaks: breaks, Said: map[Answer]string{Refused: "the kernel's words"}[observed]}
	}
	crc, magic := Break{Kind: BreakVersion, Symbol: "kernel_read"}, Break{Kind: BreakVermagic}
	r := &Results{Records: []Record{
		rec("5.1", Fail, p(Refused, Refused, crc, magic)), rec("5.2", Fail, p(Refused, Refused, magic)), rec("5.3", Fail, p(Refused, Refused, crc)),
		rec("6.1", Pass, p(Taken, Taken)), rec("6.2", Skip, p(Unknown, Taken)), rec("6.3", Fail, p(Taken, Taken)), rec("6.4", Miss, p(Taken, "")), rec("6.5", Error, p(Taken, Taken)),
		rec("7.1", Fail, p(Taken, Refused)), rec("7.2", Pass, p(Refused, Taken, crc)), rec("7.3", Fail, p(Taken, Taken), p(Refused, Refused, magic))}}
	h, ok := r.Holds()
	got := fmt.Sprint(ok, h.Kernels(), h.On, h.Fails, h.Open, h.Wrong)
	for _, b := range h.Breaks {
		got += fmt.Sprint("; ", b.By, " ", b.On)
	}
	want := "true 9 [6.1 6.2 7.2] [6.3] [6.4 6.5] [7.1 7.2]; symbol kernel_read (crc) [5.1 5.3]; vermagic [5.2 7.3]; the kernel's words [7.1]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, ok := (&Results{Records: []Record{rec("6.1", Pass)}}).Holds(); ok {
		t.Error("a module that was built is taken for a binary")
	}
}

func TestPredictionLine(t *testing.T) {
	p := Prediction{Binary: Binary{Module: "fifo", File: "fifo.ko", Release: "6.1.0-57-amd64"}, Predicted: Taken, Why: "it fits"}
	for observed, want := range map[Answer]string{
		"":      "fifo (fifo.ko, built for 6.1.0-57-amd64): predicted taken: it fits; the kernel was not asked",
		Taken:   "; the kernel: taken",
		Refused: "; the kernel did otherwise (refused): the prediction is wrong",
	} {
		if p.Observed = observed; !strings.HasSuffix(p.Line(), want) {
			t.Errorf("got %s, want %s", p.Line(), want)
		}
	}
}

// Each kind of break is said in words, and an answer that nobody knows is no answer.
func TestEveryBreakHasWords(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range []BreakKind{BreakSignature, BreakMachine, BreakVersion, BreakNoVersions, BreakVermagic, BreakLivepatch, BreakMissing, BreakGPL, BreakNamespace, BreakDuplicate} {
		text := Break{Kind: kind}.String()
		if text == string(kind) || seen[text] {
			t.Errorf("%s has no words of its own: %s", kind, text)
		}
		seen[text] = true
	}
	for _, p := range []Prediction{{}, {Predicted: "maybe"}, {Predicted: Taken, Observed: "maybe"}, {Predicted: Taken, Observed: Unknown}} {
		if p.check() == nil {
			t.Errorf("%q, %q is let through", p.Predicted, p.Observed)
		}
	}
}
