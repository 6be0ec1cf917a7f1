// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/kube-elector/elector/test/harness"
)

// playRestart is rows 11 and 14.
func playRestart(down ailment) func(*stage) error {
	return func(s *stage) error {
		mark, began := s.mark(), time.Now()
		if err := s.suffer(down, nil, 0); err != nil {
			return err
		}
		outage := time.Since(began)
		s.show(figure{What: "outage", Value: outage})
		if outage < s.timing.survives() {
			return s.stays(mark, s.timing.LeaseDuration)
		}
		return s.settle()
	}
}

// playDown is row 12.
func playDown(s *stage) error {
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark := s.mark()
	heal, err := s.befall(serverDown, nil)
	if err != nil {
		return err
	}
	began := time.Now()
	if end, ok := s.ends(mark, old, 2*s.timing.LeaseDuration); ok {
		s.within("last renewal sent → told", end.At.Sub(s.renewed(old.process, end.At)), s.timing.RenewDeadline)
	}
	if err := harness.Pause(s.ctx, s.timing.scale(30*time.Second)-time.Since(began)); err != nil {
		return err
	}
	mark = s.mark()
	if err := heal(); err != nil {
		return err
	}
	back := time.Now()
	next, ok := s.next(mark, 2*s.timing.LeaseDuration)
	if !ok {
		return nil
	}
	s.show(figure{What: "back → next leads", Value: max(0, next.At.Sub(back))})
	s.rises(old, next)
	if err := harness.Pause(s.ctx, s.timing.LeaseDuration); err != nil {
		return err
	}
	elections := 0
	for _, e := range s.since(mark) {
		if e.Kind == leads {
			elections++
		}
	}
	s.must(elections == 1, "%d elections when the API server was back, not one", elections)
	return nil
}

// playEtcdFrozen is row 13.
func playEtcdFrozen(s *stage) error {
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark := s.mark()
	heal, err := s.befall(etcdFrozen, nil)
	if err != nil {
		return err
	}
	began := time.Now()
	if end, ok := s.ends(mark, old, 2*s.timing.LeaseDuration); ok {
		s.within("last renewal sent → told", end.At.Sub(s.renewed(old.process, end.At)), s.timing.RenewDeadline)
	}
	if err := harness.Pause(s.ctx, s.timing.scale(20*time.Second)-time.Since(began)); err != nil {
		return err
	}
	if err := heal(); err != nil {
		return err
	}
	if err := s.settle(); err != nil {
		return err
	}
	var longest time.Duration
	for _, u := range s.usages() {
		longest = max(longest, u.Longest)
	}
	s.within("longest request about the Lease", longest, s.timing.RenewDeadline)
	return nil
}

// playAbsent is row 35.
func playAbsent(s *stage) error {
	heal, err := s.befall(serverDown, nil)
	if err != nil {
		return err
	}
	mark := s.mark()
	for _, p := range s.pods {
		if err := p.start(); err != nil {
			return err
		}
	}
	if err := harness.Pause(s.ctx, 2*s.timing.LeaseDuration); err != nil {
		return err
	}
	for _, e := range s.since(mark) {
		s.must(e.Kind != leads, "%s leads without an API server", e.process())
	}
	mark = s.mark()
	if err := heal(); err != nil {
		return err
	}
	back := time.Now()
	if next, ok := s.next(mark, startGrace); ok {
		s.show(figure{What: "back → leads", Value: max(0, next.At.Sub(back))})
	}
	return nil
}
