// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/kube-elector/elector/test/chaos/fault"
	"github.com/kube-elector/elector/test/chaos/stage"
)

// chapterFaults is how many times faults are drawn in a chapter of a soak.
const chapterFaults = 20

// soakFaults returns the faults that a soak draws from.
func soakFaults() []stage.Fault {
	twice := func(name string, a stage.Answer) stage.Fault { return fault.Answering(name, a, a) }
	return []stage.Fault{
		fault.Crash, fault.Freeze, fault.Stop, fault.CutOff, fault.LostReplies, fault.StalledTLS, fault.DeadConnections, fault.Reset,
		fault.LateReplies(600 * time.Millisecond), fault.LateReplies(time.Second), fault.LateReplies(1800 * time.Millisecond),
		fault.ServerDown, fault.EtcdDown, fault.EtcdFrozen, fault.Deleted, fault.Stolen, fault.Blanked, fault.Bare, fault.Labelled,
		fault.Forbidden, fault.NotAdmitted,
		twice("429", stage.Answer{Status: http.StatusTooManyRequests, RetryAfter: 5 * time.Second}),
		twice("500", stage.Answer{Status: http.StatusInternalServerError}),
		twice("broken JSON", stage.Answer{Status: http.StatusOK, Body: "{"}),
	}
}

// Chapter returns a part of a soak that has a stage of its own and is judged by itself.
func Chapter(n int, seed uint64, until time.Time) Scenario {
	return Scenario{
		Name: fmt.Sprintf("soak, chapter %d", n), Must: "every invariant; somebody leads again after each fault",
		Setup: stage.Setup{Gateway: true},
		Play: func(s *stage.Stage) {
			r := rand.New(rand.NewPCG(seed, uint64(n))) //nolint:gosec // Not a secret, and the same each time.
			faults := 0
			for i := 0; i < chapterFaults && (i == 0 || time.Now().Before(until)); i++ {
				faults += draw(s, r)
			}
			s.Count("faults", faults)
		},
	}
}

// draw injects one fault, or sometimes two, into random replicas, the leader more often than not. It waits until all is
// well again, and returns how many faults there were.
func draw(s *stage.Stage, r *rand.Rand) int {
	possible := slices.DeleteFunc(soakFaults(), func(f stage.Fault) bool { return f.Available != nil && !f.Available(s) })
	number := 1
	if r.IntN(4) == 0 {
		number = 2
	}
	order := r.Perm(len(s.Replicas)) // Two faults do not affect the same replica.
	leads := r.IntN(3) > 0
	lasts := time.Duration(r.Int64N(int64(2 * s.Timing.LeaseDuration)))
	var heals []func()
	for i := range number {
		if term, ok := s.Leading(); ok && leads && i == 0 {
			j := slices.IndexFunc(order, func(k int) bool { return s.Replicas[k] == term.Of })
			order[0], order[j] = order[j], order[0]
		}
		pick := possible[r.IntN(len(possible))]
		heals = append(heals, s.Inject(pick, s.Replicas[order[i]]))
		possible = slices.DeleteFunc(possible, func(f stage.Fault) bool {
			return f.Name == pick.Name || f.On != stage.OneReplica && pick.On != stage.OneReplica
		})
	}
	s.Pause(lasts)
	for _, heal := range heals {
		heal()
	}
	s.Settle()
	return number
}
