package main

import (
	"slices"
	"time"
)

// median of samples, which may be in any order; zero without any.
func median[T int64 | float64 | time.Duration](samples []T) T {
	if len(samples) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(samples))
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return s[mid-1] + (s[mid]-s[mid-1])/2
}

// ratio of two medians; zero when either side was not measured.
func ratio(ours, theirs []time.Duration) float64 {
	a, b := median(ours), median(theirs)
	if a == 0 || b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func seconds(samples []time.Duration) []float64 {
	out := make([]float64, len(samples))
	for i, d := range samples {
		out[i] = d.Seconds()
	}
	return out
}

func sum[T int64 | float64 | time.Duration](samples []T) (total T) {
	for _, s := range samples {
		total += s
	}
	return total
}
