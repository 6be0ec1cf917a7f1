// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"strings"
	"time"
)

// stubborn makes work outlive its context: a function of the first replica, a reconcile of the others.
func stubborn(number int) behaviour { return behaviour{Deaf: number == 0, Wedged: number > 0} }

// playStubborn is row 36. A function hangs first, then a reconcile.
func playStubborn(s *stage) error {
	for _, name := range []string{"leadersWork", controllerName} {
		if err := s.settle(); err != nil {
			return err
		}
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
		gone, left := s.await(s.ctx, mark, 2*s.timing.LeaseDuration, old.does(exited))
		s.must(left, "%s: the process goes on", name)
		next, led := s.next(mark, 4*s.timing.LeaseDuration)
		if ended && left {
			s.within(name+": context ended → process gone", gone.At.Sub(end.At), s.timing.LeaseDuration-s.timing.RenewDeadline)
		}
		if left && led {
			s.must(!next.At.Before(gone.At), "%s: another led %v before the process was gone", name, brief(gone.At.Sub(next.At)))
			s.rises(old, next)
		}
		if returned, ok := s.await(s.ctx, mark, time.Millisecond, old.does(done)); ok {
			s.must(strings.Contains(returned.Detail, name), "Start does not name %s, which hangs: %s", name, returned.Detail)
		}
		if err := heal(); err != nil {
			return err
		}
	}
	return nil
}

func (t tenure) does(k kind) func(occurrence) bool {
	return func(e occurrence) bool { return e.Kind == k && e.process() == t.process }
}

// drainLimit gives all replicas a DrainTimeout in which a request that hangs can be given up.
func drainLimit(int) behaviour { return behaviour{Drain: 10 * time.Second} }

// hung makes a process's requests about the Lease hang for good.
var hung = ailment{
	name:   "requests hang, whatever becomes of their contexts",
	inject: func(_ context.Context, _ *stage, p *pod) error { return p.signal(hangSignal) },
	heal: func(_ context.Context, _ *stage, p *pod) error {
		if err := p.kill(); err != nil {
			return err
		}
		return p.start()
	},
}

// playHung is row 41. Requests hang until a leader's term is over, when a leader is stopped, and when a standby is.
func playHung(s *stage) error {
	for _, lost := range []bool{true, false} {
		old, err := s.reign()
		if err != nil {
			return err
		}
		if err := s.hangs(old, lost); err != nil {
			return err
		}
	}
	leader, err := s.leaderPod()
	if err != nil {
		return err
	}
	for _, p := range s.pods {
		if p == leader {
			continue
		}
		if _, err := s.befall(hung, p); err != nil {
			return err
		}
		return s.stopsHung("standby", tenure{process: process{p.name, p.number}, pod: p})
	}
	return nil
}

// hangs makes the leader's requests hang, and stops it when its term is lost or at once.
func (s *stage) hangs(old tenure, lost bool) error {
	name := "stopped leader"
	mark := s.mark()
	heal, err := s.befall(hung, old.pod)
	if err != nil {
		return err
	}
	if lost {
		name = "former leader"
		if end, ok := s.ends(mark, old, 2*s.timing.LeaseDuration); ok {
			s.within("last renewal sent → told", end.At.Sub(s.renewed(old.process, end.At)), s.timing.RenewDeadline)
		}
		if next, ok := s.next(mark, 4*s.timing.LeaseDuration); ok {
			s.within("last renewal → next leads", next.At.Sub(s.renewed(old.process, next.At)), s.timing.LeaseDuration+slack)
			s.rises(old, next)
		}
	}
	if err := errors.Join(s.stopsHung(name, old), s.names(name, old)); err != nil {
		return err
	}
	if err := heal(); err != nil {
		return err
	}
	return s.settle()
}

// stopsHung stops a process whose requests hang, unless it has ended, and looks at how it ends.
func (s *stage) stopsHung(name string, t tenure) error {
	asked := time.Now()
	_, ok := s.await(s.ctx, 0, time.Millisecond, t.does(done))
	if !ok {
		if err := s.stopped(t); err != nil {
			return err
		}
		var returned occurrence
		if returned, ok = s.await(s.ctx, 0, startGrace, t.does(done)); ok {
			s.within(name+": asked to stop → Start returned", returned.At.Sub(asked), drainLimit(0).Drain+s.timing.RenewDeadline)
		}
	}
	s.must(ok, "%s: Start does not return", name)
	return nil
}

// names fails unless the replica's log, which ends with what Start returned, names the request that hangs.
func (s *stage) names(name string, t tenure) error {
	text, err := t.pod.log()
	s.must(strings.Contains(text, "request"), "%s: neither Start nor the log names the request that hangs", name)
	return err
}
