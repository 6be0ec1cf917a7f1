// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"time"

	"github.com/kube-elector/elector/test/harness"
)

// oneLine makes all replicas operators that have been moved over by one line.
func oneLine(int) behaviour { return behaviour{OneLine: true} }

// playAway is row 37. Requests are refused for a while, or get no answer.
func playAway(s *stage) error {
	p := s.pods[0]
	for _, outage := range []time.Duration{3 * time.Second, 15 * time.Second, time.Minute} {
		for _, a := range []ailment{away, cutOff} {
			if err := s.suffer(a, p, outage); err != nil {
				return err
			}
			back := time.Now()
			works, ok := s.await(s.ctx, s.mark(), startGrace, func(e occurrence) bool { return e.Kind == wrote && e.Began.After(back) })
			s.must(ok, "%s for %v: it does not work again", a.name, outage)
			if ok {
				s.within(a.name+" for "+outage.String()+": back → works", works.At.Sub(back), time.Second)
			}
			if err := s.settle(); err != nil {
				return err
			}
		}
	}
	s.must(s.survived(), "a process has ended")
	s.onlyLeading()
	return nil
}

// playKilledOperator is row 44, without a kubelet.
func playKilledOperator(s *stage) error {
	mark := s.mark()
	if err := playKilled(s); err != nil {
		return err
	}
	if next, ok := s.await(s.ctx, mark, time.Millisecond, ofKind(leads)); ok {
		first, ok := s.await(s.ctx, mark, startGrace, tenure{process: next.process()}.does(reconciles))
		s.must(ok, "the next leader does not reconcile")
		if ok {
			s.within("next leads → its first reconcile", max(0, first.At.Sub(next.At)), 50*time.Millisecond)
		}
	}
	if err := harness.Pause(s.ctx, s.timing.LeaseDuration); err != nil { // in which the killed replica is back
		return err
	}
	s.onlyLeading()
	return nil
}

// onlyLeading fails for each reconcile that began while its process did not lead.
func (s *stage) onlyLeading() {
	tolerance := 5*time.Millisecond + s.stalls.worst(s.began, time.Now())
	terms := newStory(s.since(0)).terms
	n := 0
	for _, e := range s.since(0) {
		if e.Kind != reconciles {
			continue
		}
		n++
		s.must(slices.ContainsFunc(terms, func(t termSpan) bool {
			return t.process == e.process() && !e.At.Before(t.from.Add(-tolerance)) && !e.At.After(t.to.Add(tolerance))
		}), "%s began a reconcile at %v and did not lead", e.process(), e.At.Sub(s.began))
	}
	s.count("reconciles", n)
}
