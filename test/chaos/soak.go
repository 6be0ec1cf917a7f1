// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/kube-elector/elector/test/harness"
)

// chapterFaults is how many times faults befall somebody in a chapter of a soak. Each chapter has a stage, and is judged,
// by itself.
const chapterFaults = 20

// soakFaults are those that a soak draws from.
func soakFaults() []ailment {
	return []ailment{
		crash, freezing, stop, cutOff, lostReplies, stalledTLS, deadConnections, resets,
		lateReplies(600 * time.Millisecond), lateReplies(time.Second), lateReplies(1800 * time.Millisecond),
		serverDown, etcdDown, etcdFrozen, deleted, stolen, blanked, bare, labelled, forbidden, notAdmitted,
		answering("429", answer{status: http.StatusTooManyRequests, retryAfter: 5 * time.Second}),
		answering("500", answer{status: http.StatusInternalServerError}),
		answering("broken JSON", answer{status: http.StatusOK, body: "{"}),
	}
}

// answering has a few requests of a replica answered so.
func answering(name string, a answer) ailment {
	return ailment{
		name:      name,
		available: func(s *stage) bool { return s.pods[0].gateway != nil },
		inject: func(_ context.Context, _ *stage, p *pod) error {
			p.gateway.next(a, a)
			return nil
		},
	}
}

// soak plays chapters until the time is over, on one control plane. The seed says which faults befall whom and for how
// long, not what the machine does meanwhile.
func (t *theatre) soak(ctx context.Context, d time.Duration, seed uint64, begin func(turn), end func(turn, result)) error {
	return t.onPlane(ctx, true, func(p *plane) {
		until := time.Now().Add(d)
		for n := 1; time.Now().Before(until) && ctx.Err() == nil; n++ {
			one := turn{chapter(n, seed, until), fmt.Sprintf("soak-%d-%03d", seed, n)}
			begin(one)
			end(one, t.playOn(ctx, p, one.scenario, one.name))
		}
	})
}

func chapter(n int, seed uint64, until time.Time) scenario {
	return scenario{
		name: fmt.Sprintf("soak, chapter %d", n), must: "every invariant; somebody leads again after each fault",
		setup: setup{gateway: true},
		play: func(s *stage) error {
			r := rand.New(rand.NewPCG(seed, uint64(n))) //nolint:gosec // Not a secret, and to be repeated.
			faults := 0
			for i := 0; i < chapterFaults && (i == 0 || time.Now().Before(until)); i++ {
				number, err := s.random(r)
				if err != nil {
					return err
				}
				faults += number
			}
			s.count("faults", faults)
			return nil
		},
	}
}

// random has a fault, or sometimes two at once, befall somebody, the leader more often than not; and waits until all is
// well again. It returns how many there were.
func (s *stage) random(r *rand.Rand) (number int, err error) {
	possible := slices.DeleteFunc(soakFaults(), func(a ailment) bool { return a.available != nil && !a.available(s) })
	number = 1
	if r.IntN(4) == 0 {
		number = 2
	}
	order := r.Perm(len(s.pods)) // Two faults do not befall the same.
	leader := r.IntN(3) > 0
	lasts := time.Duration(r.Int64N(int64(2 * s.timing.LeaseDuration)))
	var heals []func() error
	for i := range number {
		p := s.pods[order[i]]
		if i == 0 && leader {
			if of, err := s.leaderPod(); err == nil {
				if j := slices.IndexFunc(order, func(k int) bool { return s.pods[k] == of }); j > 0 {
					order[0], order[j] = order[j], order[0]
				}
				p = of
			}
		}
		pick := r.IntN(len(possible))
		heal, err := s.befall(possible[pick], p)
		if err != nil {
			return i, err
		}
		heals = append(heals, heal)
		possible = slices.DeleteFunc(possible, func(a ailment) bool {
			return a.name == possible[pick].name || a.on != aReplica && possible[pick].on != aReplica
		})
	}
	if err := harness.Pause(s.ctx, lasts); err != nil {
		return number, err
	}
	for _, heal := range heals {
		if err := heal(); err != nil {
			return number, err
		}
	}
	return number, s.settle()
}
