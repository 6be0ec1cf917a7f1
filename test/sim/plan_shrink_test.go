// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"
	"testing"
	"time"
)

func TestShrinkingLeavesTheFaultsThatMatter(t *testing.T) {
	var all []Fault
	for i := range 37 {
		all = append(all, Fault{At: time.Duration(i), Kind: Crash})
	}
	for _, matter := range [][]Fault{{}, {all[0]}, {all[36]}, {all[3], all[4]}, {all[1], all[17], all[36]}, all} {
		calls := 0
		got := Shrink(all, func(some []Fault) bool {
			calls++
			return !slices.ContainsFunc(matter, func(f Fault) bool { return !slices.Contains(some, f) })
		})
		if !slices.Equal(got, matter) {
			t.Errorf("got %v, want %v", got, matter)
		}
		if calls > 200 {
			t.Errorf("%d calls for %d of %d", calls, len(matter), len(all))
		}
	}
}
