// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/kube-elector/elector/test/harness"
)

// playKilled is row 1.
func playKilled(s *stage) error {
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark := s.mark()
	heal, err := s.befall(crash, old.pod)
	if err != nil {
		return err
	}
	if next, ok := s.next(mark, 4*s.timing.LeaseDuration); ok {
		s.within("last renewal → next leads", next.At.Sub(s.renewed(old.process, next.At)), s.timing.LeaseDuration+slack)
		s.rises(old, next)
	}
	return heal()
}

// playFrozen is row 2.
func playFrozen(s *stage) error {
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark := s.mark()
	heal, err := s.befall(freezing, old.pod)
	if err != nil {
		return err
	}
	next, ok := s.next(mark, 4*s.timing.LeaseDuration)
	if ok {
		s.within("last renewal → next leads", next.At.Sub(s.renewed(old.process, next.At)), s.timing.LeaseDuration+slack)
		s.rises(old, next)
	}
	if err := harness.Pause(s.ctx, s.timing.LeaseDuration/3); err != nil {
		return err
	}
	mark = s.mark()
	woken := time.Now()
	if err := heal(); err != nil {
		return err
	}
	if end, ok := s.ends(mark, old, 2*s.timing.LeaseDuration); ok {
		s.within("waking → context dead", end.At.Sub(woken), 15*time.Millisecond)
	}
	if err := harness.Pause(s.ctx, s.timing.LeaseDuration); err != nil {
		return err
	}
	done, stopped, underWay := 0, 0, 0
	for _, e := range s.since(mark) {
		switch {
		case e.process() != old.process:
		case e.Kind == wrote && e.Began.Before(woken): // It was under way as the process froze, and is reported only now.
			underWay++
		case e.Kind == wrote:
			done++
		case e.Kind == cannot || e.Kind == refused:
			stopped++
		}
	}
	s.must(done == 0, "%d writes that the old leader began after it woke reached the API server", done)
	s.must(stopped > 0, "no write of the old leader was refused after it woke")
	s.count("writes under way as it froze that were done", underWay)
	s.must(!s.blankedBy(old.process, mark), "the old leader released the Lease of another")
	return nil
}

// playFrozenBriefly is row 3.
func playFrozenBriefly(s *stage) error {
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark := s.mark()
	if err := s.suffer(freezing, old.pod, s.timing.survives()*3/4); err != nil {
		return err
	}
	return s.stays(mark, s.timing.LeaseDuration)
}

// slowWork is work of the first replica that takes longer to stop than a Lease lasts.
func slowWork(number int) behaviour {
	if number > 0 {
		return behaviour{}
	}
	return behaviour{Slow: quick.LeaseDuration + time.Second}
}

// playSlowStop is row 4.
func playSlowStop(s *stage) error {
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark := s.mark()
	if err := s.stopped(old); err != nil {
		return err
	}
	back, ok := s.await(s.ctx, mark, startGrace, func(e occurrence) bool { return e.Kind == returns && e.process() == old.process })
	s.must(ok, "the work did not return")
	next, led := s.next(mark, 4*s.timing.LeaseDuration)
	if !ok || !led {
		return nil
	}
	s.within("longest time between two renewals while work ends",
		s.longestWithout(old.process, mark, back.At), 2*s.timing.RetryPeriod+slack)
	s.must(!next.At.Before(back.At), "another led %v before the work had returned", brief(back.At.Sub(next.At)))
	s.within("work returned → next leads", next.At.Sub(back.At), 50*time.Millisecond)
	s.rises(old, next)
	return nil
}

// stopped asks the leader's process to end, for good.
func (s *stage) stopped(t tenure) error {
	s.note(occurrence{Kind: fault, Replica: t.replica, Detail: stop.name})
	return t.pod.signal(syscall.SIGTERM)
}

// deafWork is work of the first replica that does not stop.
func deafWork(number int) behaviour {
	if number > 0 {
		return behaviour{}
	}
	return behaviour{Deaf: true, Drain: quick.RenewDeadline}
}

// playDeaf is row 5.
func playDeaf(s *stage) error {
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark := s.mark()
	if err := s.stopped(old); err != nil {
		return err
	}
	end, ok := s.await(s.ctx, mark, startGrace, func(e occurrence) bool { return e.Kind == done && e.process() == old.process })
	s.must(ok && end.Detail != "", "Start says nothing about the work that does not stop")
	if next, ok := s.next(mark, 4*s.timing.LeaseDuration); ok {
		last := s.renewed(old.process, next.At)
		s.atLeast("last renewal → next leads", next.At.Sub(last), s.timing.LeaseDuration)
		s.within("last renewal → next leads", next.At.Sub(last), s.timing.LeaseDuration+slack)
	}
	s.must(!s.blankedBy(old.process, mark), "the Lease was released while the work went on")
	return nil
}

// spinning has the first replica starved of processor time.
func spinning(number int) behaviour {
	if number > 0 {
		return behaviour{}
	}
	return behaviour{Spinners: 8}
}

// playStarved is row 30.
func playStarved(s *stage) error {
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark := s.mark()
	if err := s.stays(mark, 2*s.timing.LeaseDuration); err != nil {
		return err
	}
	s.within("longest time between two renewals", s.longestWithout(old.process, mark, time.Now()), s.timing.RenewDeadline)
	return nil
}

// panicking has the first replica's work panic and the third's return at once.
func panicking(number int) behaviour { return behaviour{Panics: number == 0, Early: number == 2} }

// playPanic is row 31.
func playPanic(s *stage) error {
	a, b, c := s.pods[0], s.pods[1], s.pods[2]
	for _, p := range []*pod{b, a} {
		what := isReady
		if p == b {
			what = leads
		}
		if err := p.start(); err != nil {
			return err
		}
		if err := s.expect(0, startGrace, fmt.Sprintf("%s of replica %s", what, p.name), by(p, what)); err != nil {
			return err
		}
	}
	if err := b.stop(s.ctx, startGrace); err != nil {
		return err
	}
	if err := s.expect(0, startGrace, "replica a to lead", by(a, leads)); err != nil {
		return err
	}
	end, ok := s.await(s.ctx, 0, s.timing.LeaseDuration, by(a, exited))
	s.must(ok && !strings.Contains(end.Detail, "status 0"), "the panic was swallowed: the process goes on, or %q", end.Detail)
	if err := a.kill(); err != nil { // It is not to be started again.
		return err
	}
	s.must(!s.blankedBy(process{"a", 1}, 0), "the Lease was released after a panic")
	mark := s.mark()
	if err := c.start(); err != nil {
		return err
	}
	next, ok := s.next(mark, startGrace)
	if !ok {
		return nil
	}
	s.must(next.Replica == "c", "replica %s leads, though only c is there", next.Replica)
	mark = s.mark()
	if err := s.stays(mark, 2*s.timing.LeaseDuration); err != nil {
		return err
	}
	s.within("longest time between two renewals after an early return",
		s.longestWithout(next.process(), mark, time.Now()), 2*s.timing.RetryPeriod+slack)
	return nil
}

func by(p *pod, kinds ...kind) func(occurrence) bool {
	return func(e occurrence) bool { return e.Replica == p.name && slices.Contains(kinds, e.Kind) }
}

// longFirst has the first replica record a Lease twice as long as the others would.
func longFirst(number int) time.Duration {
	if number > 0 {
		return quick.LeaseDuration
	}
	return 2 * quick.LeaseDuration
}

// playDurations is row 34.
func playDurations(s *stage) error {
	old, err := s.reign()
	if err != nil {
		return err
	}
	s.must(old.replica == "a", "replica %s leads, not the first", old.replica)
	mark := s.mark()
	if _, err := s.befall(crash, old.pod); err != nil {
		return err
	}
	if next, ok := s.next(mark, 8*s.timing.LeaseDuration); ok {
		gap := next.At.Sub(s.renewed(old.process, next.At))
		s.atLeast("last renewal → next leads", gap, longFirst(0))
		s.within("last renewal → next leads", gap, longFirst(0)+slack)
	}
	return nil
}
