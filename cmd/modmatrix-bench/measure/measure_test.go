package measure

import (
	"errors"
	"testing"
)

func TestMedianIsTheMiddle(t *testing.T) {
	for _, test := range []struct {
		samples []float64
		want    float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{7, 1, 100}, 7}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := Median(test.samples); got != test.want {
			t.Errorf("median of %v is %v, want %v", test.samples, got, test.want)
		}
	}
	samples := []float64{3, 1, 2}
	Median(samples)
	if samples[0] != 3 {
		t.Error("the samples were sorted in place: they are to be written as they came")
	}
}

func TestARatioNeedsBothSides(t *testing.T) {
	ours, theirs := []float64{1, 1, 40}, []float64{10, 20, 30}
	if got := Ratio(ours, theirs); got != 0.05 {
		t.Errorf("ratio is %v, want 0.05", got)
	}
	if got := Ratio(ours, nil); got != 0 {
		t.Errorf("ratio to nothing is %v", got)
	}
}

func TestWhatIsComparedTakesTurns(t *testing.T) {
	var order string
	measure := func(name string, took float64) func() (float64, error) {
		return func() (float64, error) { order += name; return took, nil }
	}
	ours, theirs, err := InTurn(3, measure("a", 1), measure("b", 2))
	if err != nil || order != "abbaab" || Sum(ours) != 3 || Sum(theirs) != 6 {
		t.Errorf("%s: %v %v %v", order, ours, theirs, err)
	}
	broken := func() (float64, error) { return 0, errors.New("broken") }
	if _, _, err := InTurn(1, measure("a", 1), broken); err == nil {
		t.Error("half a comparison is no error")
	}
}
