// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"strings"
	"time"

	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/chaos/fault"
	"github.com/kube-elector/elector/test/chaos/replica"
	"github.com/kube-elector/elector/test/chaos/stage"
)

// playAway takes the API server away from an operator, whose requests are refused or get no answer.
func playAway(s *stage.Stage) {
	for _, outage := range []time.Duration{3 * time.Second, 15 * time.Second, time.Minute} {
		for _, f := range []stage.Fault{fault.Away, fault.CutOff} {
			s.Endure(f, s.Replicas[0], outage)
			back := time.Now()
			works, ok := s.Await(s.Mark(), stage.StartGrace, func(e event.Event) bool { return e.Kind == event.Wrote && e.Began.After(back) })
			s.Must(ok, "%s for %v: it does not work again", f.Name, outage)
			if ok {
				s.Within(f.Name+" for "+outage.String()+": back → works", works.At.Sub(back), time.Second)
			}
			s.Settle()
		}
	}
	survives(s)
	onlyLeading(s)
}

// playKilledOperator kills an operator that no kubelet watches.
func playKilledOperator(s *stage.Stage) {
	mark := s.Mark()
	playKilled(s)
	if next, ok := s.Await(mark, time.Millisecond, event.Of(event.Leads)); ok {
		first, ok := s.Await(mark, stage.StartGrace, next.Process().Does(event.Reconciles))
		s.Must(ok, "the next leader does not reconcile")
		if ok {
			s.Within("next leads → its first reconcile", max(0, first.At.Sub(next.At)), 50*time.Millisecond)
		}
	}
	s.Pause(s.Timing.LeaseDuration) // The killed replica comes back meanwhile.
	onlyLeading(s)
}

// onlyLeading fails for each reconcile that began while its process did not lead.
func onlyLeading(s *stage.Stage) {
	tolerance := 5*time.Millisecond + s.Stalls.Worst(s.Began, time.Now())
	events, n := s.Since(0), 0
	for _, e := range events {
		if e.Kind != event.Reconciles {
			continue
		}
		n++
		s.Must(led(events, e, tolerance), "%s began a reconcile at %v and did not lead", e.Process(), e.At.Sub(s.Began))
	}
	s.Count("reconciles", n)
}

// led reports whether the event's process led at that time, or a tolerance before or after.
func led(events []event.Event, at event.Event, tolerance time.Duration) (leads bool) {
	for _, e := range events {
		switch {
		case e.Process() != at.Process():
		case e.Kind == event.Leads && !e.At.After(at.At.Add(tolerance)):
			leads = true
		case (e.Kind == event.Told || e.Kind == event.Exited) && e.At.Before(at.At.Add(-tolerance)):
			leads = false
		}
	}
	return leads
}

// stubborn makes work outlive its context. It is a function in the first replica, and a reconcile in the others.
func stubborn(number int) replica.Behaviour {
	return replica.Behaviour{Deaf: number == 0, Wedged: number > 0}
}

// playStubborn makes a function hang first, then a reconcile.
func playStubborn(s *stage.Stage) {
	for _, name := range []string{"leadersWork", replica.ControllerName} {
		s.Settle()
		old, mark := s.Leader(), s.Mark()
		heal := s.Inject(fault.CutOff, old.Of)
		end, ended := s.Ends(mark, old, 2*s.Timing.LeaseDuration)
		gone, left := s.Await(mark, 2*s.Timing.LeaseDuration, old.Does(event.Exited))
		s.Must(left, "%s: the process goes on", name)
		next, led := s.Next(mark, 4*s.Timing.LeaseDuration)
		if ended && left {
			early := s.Timing.RenewDeadline / 100 // by which the context ends before the term
			s.Within(name+": context ended → process gone", gone.At.Sub(end.At), s.Timing.LeaseDuration-s.Timing.RenewDeadline+early)
		}
		if left && led {
			s.Must(!next.At.Before(gone.At), "%s: another led %v before the process was gone", name, stage.Brief(gone.At.Sub(next.At)))
			s.Rises(old, next)
		}
		if returned, ok := s.Await(mark, time.Millisecond, old.Does(event.Done)); ok {
			s.Must(strings.Contains(returned.Detail, name), "Start does not name %s, which hangs: %s", name, returned.Detail)
		}
		heal()
	}
}

// drainLimit is a DrainTimeout in which a request that hangs can be given up.
const drainLimit = 10 * time.Second

// playHung makes requests hang until a leader's term is over, when a leader is stopped, and when a standby is.
func playHung(s *stage.Stage) {
	for _, lost := range []bool{true, false} {
		hangs(s, s.Leader(), lost)
	}
	leader := s.Leader().Of
	for _, r := range s.Replicas {
		if r != leader {
			s.Inject(fault.Hang, r)
			stopsHung(s, "standby", stage.Term{Process: r.Process(), Of: r})
			return
		}
	}
}

// hangs makes the leader's requests hang, and stops it when its term is lost or at once.
func hangs(s *stage.Stage, old stage.Term, lost bool) {
	name, mark := "stopped leader", s.Mark()
	heal := s.Inject(fault.Hang, old.Of)
	if lost {
		name = "former leader"
		s.EndsByDeadline(mark, old)
		s.NextAtExpiry(mark, old)
	}
	stopsHung(s, name, old)
	// The log ends with what Start returned.
	s.Must(strings.Contains(old.Of.Log(), "request"), "%s: neither Start nor the log names the request that hangs", name)
	heal()
	s.Settle()
}

// stopsHung stops a process whose requests hang, unless it has ended, and judges how it ends.
func stopsHung(s *stage.Stage, name string, t stage.Term) {
	asked := time.Now()
	_, ok := s.Await(0, time.Millisecond, t.Does(event.Done))
	if !ok {
		askToStop(s, t)
		var returned event.Event
		if returned, ok = s.Await(0, stage.StartGrace, t.Does(event.Done)); ok {
			s.Within(name+": asked to stop → Start returned", returned.At.Sub(asked), drainLimit+s.Timing.RenewDeadline)
		}
	}
	s.Must(ok, "%s: Start does not return", name)
}
