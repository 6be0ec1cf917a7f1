// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/kube-elector/elector/test/harness"
)

// playCutOff is row 6.
func playCutOff(s *stage) error {
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark := s.mark()
	heal, err := s.befall(cutOff, old.pod)
	if err != nil {
		return err
	}
	end, ended := s.ends(mark, old, 2*s.timing.LeaseDuration)
	next, ok := s.next(mark, 4*s.timing.LeaseDuration)
	if ended {
		s.within("last renewal sent → told", end.At.Sub(s.renewed(old.process, end.At)), s.timing.RenewDeadline)
	}
	if ok {
		s.within("last renewal → next leads", next.At.Sub(s.renewed(old.process, next.At)), s.timing.LeaseDuration+slack)
		s.rises(old, next)
	}
	if err := harness.Pause(s.ctx, s.timing.LeaseDuration/2); err != nil {
		return err
	}
	mark = s.mark()
	if err := heal(); err != nil {
		return err
	}
	if err := harness.Pause(s.ctx, s.timing.LeaseDuration); err != nil {
		return err
	}
	s.must(!s.blankedBy(old.process, mark), "the old leader released the Lease of another")
	return nil
}

// playLostReplies is row 7.
func playLostReplies(s *stage) error {
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark := s.mark()
	heal, err := s.befall(lostReplies, old.pod)
	if err != nil {
		return err
	}
	began := time.Now()
	if end, ok := s.ends(mark, old, 2*s.timing.LeaseDuration); ok {
		// What was acknowledged was sent before.
		s.within("replies lost → told", end.At.Sub(began), s.timing.RenewDeadline)
	}
	if next, ok := s.next(mark, 4*s.timing.LeaseDuration); ok {
		s.within("last write that landed → next leads", next.At.Sub(s.renewed(old.process, next.At)), s.timing.LeaseDuration+slack)
		s.rises(old, next)
	}
	return heal()
}

// playLate is row 8.
func playLate(s *stage) error {
	for _, late := range []time.Duration{3 * time.Second, 5 * time.Second, 9 * time.Second} {
		p, err := s.leaderPod()
		if err != nil {
			return err
		}
		if err := s.suffer(lateReplies(s.timing.scale(late)), p, 2*s.timing.LeaseDuration); err != nil {
			return err
		}
		if err := s.settle(); err != nil {
			return err
		}
	}
	return nil
}

// playDeadConnections is row 9.
func playDeadConnections(s *stage) error {
	return s.keeps(deadConnections, 2*s.timing.LeaseDuration)
}

// playStalledTLS is row 10.
func playStalledTLS(s *stage) error {
	if err := s.keeps(resets, s.timing.RenewDeadline); err != nil {
		return err
	}
	return s.keeps(stalledTLS, s.timing.survives()/2)
}

// keeps has the leader suffer for d, and fails if it does not lead on.
func (s *stage) keeps(a ailment, d time.Duration) error {
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark := s.mark()
	if err := s.suffer(a, old.pod, d); err != nil {
		return err
	}
	if err := s.stays(mark, s.timing.LeaseDuration); err != nil {
		return err
	}
	s.within(a.name+": longest time between two renewals", s.longestWithout(old.process, mark, time.Now()), s.timing.RenewDeadline)
	return nil
}
