// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/kube-elector/elector/test/history"
)

// defects are those known of client-go's LeaderElector, each with a mix in which it shows and the invariant it breaks.
var defects = []struct {
	name      string
	mix       Mix
	invariant string
	ours      bool // the Elector takes this mix, too
}{
	{"a late release blanks the successor's lease", Mix{Kinds: []Kind{Hold}, Timings: timings[:1]}, "release", true},
	{"the work is cancelled only when the release has returned", Mix{Kinds: []Kind{Partition}, Timings: timings[:1]}, "ends-in-time", true},
	{"it leads on beside another holder", Mix{Kinds: []Kind{Stranger}, Timings: timings[:1]}, "ends-on-notice", true},
	{"it leads on without a Lease, and makes another", Mix{Kinds: []Kind{Delete}, Timings: timings[:1]}, "ends-on-notice", true},
	{"its time counts from the reply", Mix{Kinds: []Kind{Latency}, Timings: timings[:1], Keep: true}, "ends-in-time", true},
	{
		"1.9 s are recorded as 1 s",
		Mix{
			Kinds: []Kind{Label}, Far: 200 * time.Millisecond,
			Timings: []Timing{{1900 * time.Millisecond, 1500 * time.Millisecond, time.Second}},
		}, "one-leader", false,
	},
	{"callbacks come unpaired", Mix{Kinds: []Kind{Stop}, Timings: timings[:1]}, "callbacks", true},
	{"two processes of one identity lead together", Mix{Kinds: []Kind{Label}, Timings: timings[:1], Twins: true}, "one-leader", true},
}

func TestClientGosDefectsAreFoundThereAndNotHere(t *testing.T) {
	const limit = 200
	for _, d := range defects {
		t.Run(d.name, func(t *testing.T) {
			theirs, ours := d.mix, d.mix
			theirs.Plain = AllPlain
			seed := uint64(1)
			for ; seed <= limit; seed++ {
				if slices.ContainsFunc(Run(t, NewPlan(seed, theirs), true).Violations, func(v history.Violation) bool {
					return v.Invariant == d.invariant
				}) {
					t.Logf("found by seed %d: breaks %s", seed, d.invariant)
					break
				}
			}
			if seed > limit {
				t.Errorf("not found by %d seeds: the simulation can no longer find it", limit)
			}
			for ours.Plain = NonePlain; d.ours && seed > 0; seed-- {
				for _, v := range Run(t, NewPlan(seed, ours), false).Violations {
					t.Errorf("here, by seed %d: %v", seed, v)
				}
			}
		})
	}
}
