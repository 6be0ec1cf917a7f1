// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/chaos/fault"
	"github.com/kube-elector/elector/test/chaos/replica"
	"github.com/kube-elector/elector/test/chaos/stage"
	"github.com/kube-elector/elector/test/harness"
)

// first returns a behaviour of the first replica alone.
func first(b replica.Behaviour) func(int) replica.Behaviour {
	return func(number int) replica.Behaviour {
		if number > 0 {
			return replica.Behaviour{}
		}
		return b
	}
}

// all returns a behaviour of every replica.
func all(b replica.Behaviour) func(int) replica.Behaviour {
	return func(int) replica.Behaviour { return b }
}

func playKilled(s *stage.Stage) {
	old, mark := s.Leader(), s.Mark()
	heal := s.Inject(fault.Crash, old.Of)
	s.NextAtExpiry(mark, old)
	heal()
}

func playFrozen(s *stage.Stage) {
	old, mark := s.Leader(), s.Mark()
	heal := s.Inject(fault.Freeze, old.Of)
	s.NextAtExpiry(mark, old)
	s.Pause(s.Timing.LeaseDuration / 3)
	mark = s.Mark()
	woken := time.Now()
	heal()
	if end, ok := s.Ends(mark, old, 2*s.Timing.LeaseDuration); ok {
		s.Within("waking → context dead", end.At.Sub(woken), 15*time.Millisecond)
	}
	s.Pause(s.Timing.LeaseDuration)
	done, stopped, underWay := 0, 0, 0
	for _, e := range s.Since(mark) {
		switch {
		case e.Process() != old.Process:
		case e.Kind == event.Wrote && e.Began.Before(woken): // It was under way as the process froze, and is reported only now.
			underWay++
		case e.Kind == event.Wrote:
			done++
		case e.Kind == event.Cannot || e.Kind == event.Refused:
			stopped++
		}
	}
	s.Must(done == 0, "%d writes that the old leader began after it woke reached the API server", done)
	s.Must(stopped > 0, "no write of the old leader was refused after it woke")
	s.Count("writes under way as it froze that were done", underWay)
	s.Must(!s.BlankedBy(old.Process, mark), "the old leader released the Lease of another")
}

func playFrozenBriefly(s *stage.Stage) {
	old, mark := s.Leader(), s.Mark()
	s.Endure(fault.Freeze, old.Of, s.Timing.Survives()*3/4)
	s.Stays(mark, s.Timing.LeaseDuration)
}

// slowWork takes longer to stop than a Lease lasts.
var slowWork = first(replica.Behaviour{Slow: harness.Quick.LeaseDuration + time.Second})

func playSlowStop(s *stage.Stage) {
	old, mark := s.Leader(), s.Mark()
	askToStop(s, old)
	back, ok := s.Await(mark, stage.StartGrace, old.Does(event.Returns))
	s.Must(ok, "the work did not return")
	next, led := s.Next(mark, 4*s.Timing.LeaseDuration)
	if !ok || !led {
		return
	}
	s.Within("longest time between two renewals while work ends",
		s.LongestWithout(old.Process, mark, back.At), 2*s.Timing.RetryPeriod+stage.Slack)
	s.Must(!next.At.Before(back.At), "another led %v before the work had returned", stage.Brief(back.At.Sub(next.At)))
	s.Within("work returned → next leads", next.At.Sub(back.At), 50*time.Millisecond)
	s.Rises(old, next)
}

// askToStop asks the process of a term to end, for good.
func askToStop(s *stage.Stage, t stage.Term) {
	s.Note(event.Event{Kind: event.Fault, Replica: t.Replica, Detail: fault.Stop.Name})
	s.Check(t.Of.Signal(syscall.SIGTERM))
}

// deafWork does not stop.
var deafWork = first(replica.Behaviour{Deaf: true, Drain: harness.Quick.RenewDeadline})

func playDeaf(s *stage.Stage) {
	old, mark := s.Leader(), s.Mark()
	askToStop(s, old)
	end, ok := s.Await(mark, stage.StartGrace, old.Does(event.Done))
	s.Must(ok && end.Detail != "", "Start reports nothing about the work that does not stop")
	if next, ok := s.Next(mark, 4*s.Timing.LeaseDuration); ok {
		gap := next.At.Sub(s.Renewed(old.Process, next.At))
		s.AtLeast("last renewal → next leads", gap, s.Timing.LeaseDuration)
		s.Within("last renewal → next leads", gap, s.Timing.LeaseDuration+stage.Slack)
	}
	s.Must(!s.BlankedBy(old.Process, mark), "the Lease was released while the work went on")
}

func playStarved(s *stage.Stage) {
	old, mark := s.Leader(), s.Mark()
	s.Stays(mark, 2*s.Timing.LeaseDuration)
	s.Within("longest time between two renewals", s.LongestWithout(old.Process, mark, time.Now()), s.Timing.RenewDeadline)
}

// panicking makes the first replica's work panic and the third's return at once.
func panicking(number int) replica.Behaviour {
	return replica.Behaviour{Panics: number == 0, Early: number == 2}
}

func playPanic(s *stage.Stage) {
	a, b, c := s.Replicas[0], s.Replicas[1], s.Replicas[2]
	s.Check(b.Start())
	s.Expect(0, "replica b to lead", b.Does(event.Leads))
	s.Check(a.Start())
	s.Expect(0, "replica a to be ready", a.Does(event.Ready))
	s.Check(b.Stop(s.Ctx))
	s.Expect(0, "replica a to lead", a.Does(event.Leads))
	end, ok := s.Await(0, s.Timing.LeaseDuration, a.Does(event.Exited))
	s.Must(ok && !strings.Contains(end.Detail, "status 0"), "the panic was swallowed: the process goes on, or %q", end.Detail)
	s.Check(a.Kill()) // It must not be started again.
	s.Must(!s.BlankedBy(event.Process{Replica: "a", Number: 1}, 0), "the Lease was released after a panic")
	mark := s.Mark()
	s.Check(c.Start())
	next, ok := s.Next(mark, stage.StartGrace)
	if !ok {
		return
	}
	s.Must(next.Replica == "c", "replica %s leads, though only c is there", next.Replica)
	mark = s.Mark()
	s.Stays(mark, 2*s.Timing.LeaseDuration)
	s.Within("longest time between two renewals after an early return",
		s.LongestWithout(next.Process(), mark, time.Now()), 2*s.Timing.RetryPeriod+stage.Slack)
}

// longFirst makes the first replica record a Lease twice as long as the others would.
func longFirst(number int) time.Duration {
	if number > 0 {
		return harness.Quick.LeaseDuration
	}
	return 2 * harness.Quick.LeaseDuration
}

func playDurations(s *stage.Stage) {
	old, mark := s.Leader(), s.Mark()
	s.Must(old.Replica == "a", "replica %s leads, not the first", old.Replica)
	s.Inject(fault.Crash, old.Of)
	if next, ok := s.Next(mark, 8*s.Timing.LeaseDuration); ok {
		gap := next.At.Sub(s.Renewed(old.Process, next.At))
		s.AtLeast("last renewal → next leads", gap, longFirst(0))
		s.Within("last renewal → next leads", gap, longFirst(0)+stage.Slack)
	}
}

// playCancelled stops a process when it has won the Lease, and before it knows.
func playCancelled(s *stage.Stage) {
	r := s.Replicas[0]
	for round := range 3 {
		mark := s.Mark()
		r.Gateway.WhenWon(func() {
			s.Note(event.Event{Kind: event.Fault, Replica: r.Name, Detail: "cancelled while winning"})
			_ = r.Signal(syscall.SIGTERM) // The process waits for this reply.
			s.Await(mark, stage.StartGrace, event.Of(event.Stopping))
		})
		s.Check(r.Start())
		end, ok := s.Await(mark, stage.StartGrace, event.Of(event.Exited))
		s.Must(ok && strings.HasSuffix(end.Detail, "status 0"), "the process has not ended in good order: %q", end.Detail)
		pairs := 0
		for _, e := range s.Since(mark) {
			switch e.Kind {
			case event.Leads:
				pairs++
			case event.Stopped:
				pairs--
				s.Must(pairs >= 0, "round %d: OnStoppedLeading without OnStartedLeading", round)
			}
		}
		s.Must(pairs == 0, "round %d: %d terms began and did not end", round, pairs)
		l, err := get(s)
		if err != nil {
			s.Check(fmt.Errorf("was the Lease won? %w", err))
		}
		s.Must(l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity == "", "round %d: the Lease was not released", round)
	}
}

func playTwins(s *stage.Stage) {
	s.Pause(3 * s.Timing.LeaseDuration)
	s.Must(s.Says(duplicate), "no log reports two processes of one identity")
	old, mark := s.Leader(), s.Mark()
	s.Inject(fault.Crash, old.Of)
	if next, ok := s.Next(mark, 4*s.Timing.LeaseDuration); ok {
		s.Within("last renewal → the twin leads", next.At.Sub(s.Renewed(old.Process, next.At)), s.Timing.LeaseDuration+stage.Slack)
	}
}
