// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kube-elector/elector/test/history"
)

// Result is what came of a plan.
type Result struct {
	History    history.History
	Violations []history.Violation
	Stats      Stats
}

// Stats are figures of any number of runs.
type Stats struct {
	Seeds     int
	Time      map[string]time.Duration // of the cluster, by timing
	Elections int                      // terms begun
	Faults    map[Kind]int
	Zombies   history.Zombies
	Wrong     map[string]int // seeds that violated an invariant, by invariant
}

// Add adds others to s.
func (s *Stats) Add(others Stats) {
	if s.Time == nil {
		s.Time, s.Faults, s.Wrong = map[string]time.Duration{}, map[Kind]int{}, map[string]int{}
	}
	s.Seeds += others.Seeds
	s.Elections += others.Elections
	for timing, d := range others.Time {
		s.Time[timing] += d
	}
	for invariant, n := range others.Wrong {
		s.Wrong[invariant] += n
	}
	for kind, n := range others.Faults {
		s.Faults[kind] += n
	}
	s.Zombies.Woken += others.Zombies.Woken
	s.Zombies.Acts += others.Zombies.Acts
	s.Zombies.Accepted += others.Zombies.Accepted
	s.Zombies.Longest = max(s.Zombies.Longest, others.Zombies.Longest)
}

// Years returns the time of the clusters.
func (s *Stats) Years() float64 {
	const year = 365 * 24 * time.Hour
	total := 0.0
	for _, d := range s.Time {
		total += float64(d) / float64(year)
	}
	return total
}

// FaultKinds returns those that occurred, the most frequent first.
func (s *Stats) FaultKinds() []Kind {
	return slices.SortedFunc(maps.Keys(s.Faults), func(a, b Kind) int { return s.Faults[b] - s.Faults[a] })
}

// Run carries a plan out in a bubble of its own. Plain client-go is judged, too, if that is asked for.
func Run(t *testing.T, p *Plan, judgePlain bool) (result Result) {
	t.Helper()
	dir, free := logs.take()
	defer free()
	synctest.Test(t, func(*testing.T) {
		w := newWorld(p)
		w.dir = dir
		w.run()
		result.History, result.Violations = w.log.History(), w.errors
	})
	limits := p.limits()
	limits.JudgePlain = judgePlain
	result.Violations = append(result.Violations, history.Check(result.History, limits)...)
	result.Stats = stats(p, result.History, limits)
	if z := result.Stats.Zombies; z.Acts > z.Woken {
		result.Violations = append(result.Violations, history.Violation{
			Invariant: "zombies", What: fmt.Sprintf("wrote %d times, though only one write each was under way: %d", z.Acts, z.Woken),
		})
	}
	result.Stats.Wrong = map[string]int{}
	for _, v := range result.Violations {
		result.Stats.Wrong[v.Invariant] = 1
	}
	return result
}

func stats(p *Plan, h history.History, l history.Limits) Stats {
	s := Stats{
		Seeds: 1, Time: map[string]time.Duration{p.Timing.String(): p.Length},
		Faults: map[Kind]int{}, Zombies: history.CountZombies(h, l),
	}
	for _, f := range p.Faults {
		s.Faults[f.Kind]++
	}
	for _, e := range h {
		if e.Kind == history.TermStarted {
			s.Elections++
		}
	}
	return s
}
