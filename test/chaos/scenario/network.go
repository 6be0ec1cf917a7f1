// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"time"

	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/chaos/fault"
	"github.com/kube-elector/elector/test/chaos/stage"
)

func playCutOff(s *stage.Stage) {
	old, mark := s.Leader(), s.Mark()
	heal := s.Inject(fault.CutOff, old.Of)
	s.EndsByDeadline(mark, old)
	s.NextAtExpiry(mark, old)
	s.Pause(s.Timing.LeaseDuration / 2)
	mark = s.Mark()
	heal()
	s.Pause(s.Timing.LeaseDuration)
	s.Must(!s.BlankedBy(old.Process, mark), "the old leader released the Lease of another")
}

func playLostReplies(s *stage.Stage) {
	old, mark := s.Leader(), s.Mark()
	heal := s.Inject(fault.LostReplies, old.Of)
	began := time.Now()
	if end, ok := s.Ends(mark, old, 2*s.Timing.LeaseDuration); ok {
		// What was acknowledged was sent before.
		s.Within("replies lost → told", end.At.Sub(began), s.Timing.RenewDeadline)
	}
	s.NextAtExpiry(mark, old)
	heal()
}

func playLate(s *stage.Stage) {
	for _, late := range []time.Duration{3 * time.Second, 5 * time.Second, 9 * time.Second} {
		s.Endure(fault.LateReplies(s.Timing.Scale(late)), s.Leader().Of, 2*s.Timing.LeaseDuration)
		s.Settle()
	}
}

func playDeadConnections(s *stage.Stage) { keeps(s, fault.DeadConnections, 2*s.Timing.LeaseDuration) }

func playStalledTLS(s *stage.Stage) {
	keeps(s, fault.Reset, s.Timing.RenewDeadline)
	keeps(s, fault.StalledTLS, s.Timing.Survives()/2)
}

// keeps gives the leader a fault for d, and fails if it does not lead on.
func keeps(s *stage.Stage, f stage.Fault, d time.Duration) {
	old, mark := s.Leader(), s.Mark()
	s.Endure(f, old.Of, d)
	s.Stays(mark, s.Timing.LeaseDuration)
	s.Within(f.Name+": longest time between two renewals", s.LongestWithout(old.Process, mark, time.Now()), s.Timing.RenewDeadline)
}

// playRestart returns a scenario in which a server of the control plane is restarted at once.
func playRestart(down stage.Fault) func(*stage.Stage) {
	return func(s *stage.Stage) {
		mark, began := s.Mark(), time.Now()
		s.Endure(down, nil, 0)
		outage := time.Since(began)
		s.Show(stage.Figure{What: "outage", Value: outage})
		if outage < s.Timing.Survives() {
			s.Stays(mark, s.Timing.LeaseDuration)
		} else {
			s.Settle()
		}
	}
}

func playDown(s *stage.Stage) {
	old, mark := s.Leader(), s.Mark()
	heal := s.Inject(fault.ServerDown, nil)
	began := time.Now()
	s.EndsByDeadline(mark, old)
	s.Pause(s.Timing.Scale(30*time.Second) - time.Since(began))
	mark = s.Mark()
	heal()
	back := time.Now()
	next, ok := s.Next(mark, 2*s.Timing.LeaseDuration)
	if !ok {
		return
	}
	s.Show(stage.Figure{What: "back → next leads", Value: max(0, next.At.Sub(back))})
	s.Rises(old, next)
	s.Pause(s.Timing.LeaseDuration)
	elections := s.CountSince(mark, event.Leads)
	s.Must(elections == 1, "%d elections when the API server was back, not one", elections)
}

func playEtcdFrozen(s *stage.Stage) {
	old, mark := s.Leader(), s.Mark()
	heal := s.Inject(fault.EtcdFrozen, nil)
	began := time.Now()
	s.EndsByDeadline(mark, old)
	s.Pause(s.Timing.Scale(20*time.Second) - time.Since(began))
	heal()
	s.Settle()
	var longest time.Duration
	for _, u := range s.Usages() {
		longest = max(longest, u.Longest)
	}
	s.Within("longest request about the Lease", longest, s.Timing.RenewDeadline)
}

func playAbsent(s *stage.Stage) {
	heal := s.Inject(fault.ServerDown, nil)
	mark := s.Mark()
	for _, r := range s.Replicas {
		s.Check(r.Start())
	}
	s.Pause(2 * s.Timing.LeaseDuration)
	s.Must(s.CountSince(mark, event.Leads) == 0, "a replica leads without an API server")
	mark = s.Mark()
	heal()
	back := time.Now()
	if next, ok := s.Next(mark, stage.StartGrace); ok {
		s.Show(stage.Figure{What: "back → leads", Value: max(0, next.At.Sub(back))})
	}
}
