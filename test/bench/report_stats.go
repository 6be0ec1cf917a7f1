// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"slices"
)

// percentile returns the nearest-rank percentile, p from 0 to 1. It is always a sample that was measured. Below 100
// samples p99 is the maximum. It is NaN without samples.
func percentile(samples []sample, p float64) sample {
	if len(samples) == 0 {
		return sample(math.NaN())
	}
	sorted := slices.Sorted(slices.Values(samples))
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// ratios divides pair by pair.
func ratios(numerators, denominators []sample) []sample {
	if len(numerators) != len(denominators) {
		return nil // not taken side by side
	}
	pairs := make([]sample, len(numerators))
	for i := range pairs {
		if pairs[i] = 1; numerators[i] != denominators[i] { // 0/0 and never/never are equal
			pairs[i] = numerators[i] / denominators[i]
		}
	}
	return pairs
}

// goal is a bound that the project has set itself for the subject ours, for a statistic or for its quotient with that
// of another subject.
type goal struct {
	Stat   string  `json:"stat"` // p50, p99, max or min
	Versus string  `json:"versus,omitempty"`
	Value  float64 `json:"value"`
}

// verdict returns the value that a goal is about, and whether it is met.
func (g goal) verdict(r result) (value sample, met bool) {
	value = statistic(g.Stat, r.of(ours))
	if g.Versus != "" {
		value /= statistic(g.Stat, r.of(g.Versus))
	}
	return value, float64(value) <= g.Value
}

func statistic(name string, samples []sample) sample {
	switch name {
	case "p50":
		return percentile(samples, 0.5)
	case "p99":
		return percentile(samples, 0.99)
	case "max":
		return percentile(samples, 1)
	case "min":
		return percentile(samples, 0)
	}
	panic(fmt.Sprintf("no such statistic: %q", name))
}
