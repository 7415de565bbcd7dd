// Package measure is what the benchmark and the comparison with dkms share: samples and their medians, the machine that
// they were taken on, and the file they are saved in. It must never know what is measured.
package measure

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/renameio/v2"
)

// InTurn takes as many samples of two things that are compared, alternately and with the order swapped every time, so that
// neither always finds what the other left in the caches. Samples are in seconds.
func InTurn(pairs int, one, other func() (float64, error)) (ones, others []float64, err error) {
	for i := range 2 * pairs {
		take, samples := one, &ones
		if i%4 == 1 || i%4 == 2 {
			take, samples = other, &others
		}
		took, err := take()
		if err != nil {
			return nil, nil, err
		}
		*samples = append(*samples, took)
	}
	return ones, others, nil
}

// Median of samples, which stay in their order; zero without any.
func Median(samples []float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(samples))
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return (s[mid-1] + s[mid]) / 2
}

// Ratio of two medians; zero when either side was not measured.
func Ratio(one, other []float64) float64 {
	if b := Median(other); b != 0 {
		return Median(one) / b
	}
	return 0
}

// Sum of samples.
func Sum(samples []float64) (total float64) {
	for _, s := range samples {
		total += s
	}
	return total
}

// Save writes v to the file as JSON, whole or not at all. Without a file it does nothing.
func Save(file string, v any) error {
	if file == "" {
		return nil
	}
	data, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return fmt.Errorf("encode figures: %w", err)
	}
	return renameio.WriteFile(file, append(data, '\n'), 0o644)
}
