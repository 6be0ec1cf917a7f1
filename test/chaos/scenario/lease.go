// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"maps"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/chaos/fault"
	"github.com/kube-elector/elector/test/chaos/replica"
	"github.com/kube-elector/elector/test/chaos/stage"
	"github.com/kube-elector/elector/test/harness"
)

func get(s *stage.Stage) (*coordinationv1.Lease, error) {
	return s.Leases().Get(s.Ctx, replica.LeaseName, metav1.GetOptions{})
}

// playDeleted deletes the Lease of a leader that sees it, then of one that cannot.
func playDeleted(s *stage.Stage) {
	old, mark, sent := s.Leader(), s.Mark(), time.Now()
	s.Inject(fault.Deleted, nil)
	if end, ok := s.Ends(mark, old, 2*s.Timing.LeaseDuration); ok {
		s.Within("deleted → told", end.At.Sub(sent), stage.Notice)
	}
	if next, ok := s.Next(mark, 4*s.Timing.LeaseDuration); ok {
		s.Rises(old, next)
		if next.Replica != old.Replica {
			s.AtLeast("last renewal → another leads", next.At.Sub(s.Renewed(old.Process, sent)), s.Timing.LeaseDuration)
		}
	}
	s.Settle()
	old, mark = s.Leader(), s.Mark()
	heal := s.Inject(fault.Freeze, old.Of)
	last := time.Now()
	s.Inject(fault.Deleted, nil)
	if next, ok := s.Next(mark, 4*s.Timing.LeaseDuration); ok {
		s.AtLeast("last renewal of a frozen leader → another leads", next.At.Sub(s.Renewed(old.Process, last)), s.Timing.LeaseDuration)
		s.Rises(old, next)
	}
	mark = s.Mark()
	heal()
	s.Ends(mark, old, 2*s.Timing.LeaseDuration)
}

func playEdited(s *stage.Stage) {
	for _, f := range []stage.Fault{fault.Stolen, fault.Blanked} {
		old, mark, sent := s.Leader(), s.Mark(), time.Now()
		s.Inject(f, nil)
		if end, ok := s.Ends(mark, old, 2*s.Timing.LeaseDuration); ok {
			s.Within(f.Name+" → told", end.At.Sub(sent), stage.Notice)
		}
		if _, ok := s.Next(mark, 4*s.Timing.LeaseDuration); !ok {
			return
		}
		edited := false
		for _, r := range s.Records(mark) {
			if edited {
				s.Must(r.Acquired.After(sent), "%s: %s wrote on over it", f.Name, r.Author)
				break
			}
			edited = r.Author == "" && !r.Renewed.Before(sent.Truncate(time.Microsecond))
		}
		s.Must(edited, "%s: the edit was not seen", f.Name)
		s.Settle()
	}
}

func playLabelled(s *stage.Stage) {
	mark := s.Mark()
	for range 20 {
		s.Endure(fault.Labelled, nil, s.Timing.RetryPeriod/4)
	}
	s.Stays(mark, 2*s.Timing.RetryPeriod)
	all := s.Records(mark)
	s.Must(len(all) > 0 && all[len(all)-1].Marked, "the edit did not survive")
}

func playRubbish(s *stage.Stage) {
	with := func(key string, value any) map[string]any {
		m := map[string]any{"holderIdentity": "rubbish", "leaseDurationSeconds": 1}
		maps.Copy(m, map[string]any{key: value})
		return m
	}
	before := len(s.Logs())
	for _, f := range []stage.Fault{
		fault.Written("nil fields", map[string]any{"acquireTime": nil, "holderIdentity": nil, "leaseDurationSeconds": nil, "leaseTransitions": nil, "renewTime": nil}),
		fault.Written("nil duration", with("leaseDurationSeconds", nil)),
		fault.Written("most transitions", with("leaseTransitions", 1<<31-1)),
		fault.Written("year 1970", with("renewTime", metav1.MicroTime{Time: time.Unix(0, 0)})),
		fault.Written("year 2099", with("renewTime", metav1.MicroTime{Time: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)})),
		fault.Written("holder of 1 MiB", with("holderIdentity", strings.Repeat("x", 1<<20))),
		fault.Written("huge duration, then blanked", with("leaseDurationSeconds", 1<<31-1)),
	} {
		mark := s.Mark()
		s.Inject(f, nil)
		if strings.HasPrefix(f.Name, "huge") {
			s.Pause(s.Timing.LeaseDuration)
			s.Inject(fault.Blanked, nil)
		}
		landed := time.Now() // A mebibyte takes its time, and loses races against renewals.
		if next, ok := s.Next(mark, 4*s.Timing.LeaseDuration); ok {
			s.Within(f.Name+" → leads", next.At.Sub(landed), s.Timing.LeaseDuration+stage.Slack)
		}
		s.Settle()
	}
	logged := len(s.Logs()) - before
	s.Must(logged < 256<<10, "%d bytes were logged", logged)
	s.Count("bytes logged", logged)
	survives(s)
}

// survives fails if a process has ended.
func survives(s *stage.Stage) { s.Must(s.CountSince(0, event.Exited) == 0, "a process has ended") }

func playChanges(n int) func(*stage.Stage) {
	return func(s *stage.Stage) {
		var early map[event.Process]*event.Usage
		changes := 0
		for end := time.Now().Add(3 * time.Minute); changes < n && time.Now().Before(end); changes++ {
			mark := s.Mark()
			leader := s.Leader().Of
			if s.Peer == harness.Ours {
				s.Inject(fault.StepDown, leader)
			} else { // which end with their leadership
				s.Inject(fault.Stop, leader)()
			}
			if _, ok := s.Next(mark, 4*s.Timing.LeaseDuration); !ok {
				break
			}
			if changes == n/10 {
				early = s.Usages()
			}
		}
		s.Count("changes of leader", changes)
		s.Settle()
		s.Pause(time.Second) // for a last report
		for p, u := range s.Usages() {
			if was := early[p]; was != nil {
				s.Must(u.Goroutines < was.Goroutines+20, "%s: %d goroutines, %d early on", p, u.Goroutines, was.Goroutines)
				s.Must(u.Files < was.Files+10, "%s: %d open files, %d early on", p, u.Files, was.Files)
			}
		}
	}
}

func playBare(s *stage.Stage) {
	mark := s.Mark()
	for range 20 {
		s.Endure(fault.Bare, nil, s.Timing.RetryPeriod/4)
	}
	heal := s.Inject(fault.Stripped, nil)
	s.Stays(mark, s.Timing.LeaseDuration)
	// Others can take over and keep the Lease under the policy.
	old, mark := s.Leader(), s.Mark()
	s.Inject(fault.Crash, old.Of)
	s.NextAtExpiry(mark, old)
	s.Stays(s.Mark(), 2*s.Timing.LeaseDuration)
	s.Must(!s.Says(duplicate), "a log reports two processes of one identity")
	heal()
}

// playReapplied cuts off the leader whose record is replaced, so that it does not notice.
func playReapplied(s *stage.Stage) {
	former := s.Leader()
	backup, err := get(s)
	s.Check(err)
	mark := s.Mark()
	thaw := s.Inject(fault.Freeze, former.Of)
	s.Expect(mark, "another to lead", event.Of(event.Leads))
	mark = s.Mark()
	thaw()
	s.Ends(mark, former, 2*s.Timing.LeaseDuration)
	s.Settle()
	second, mark := s.Leader(), s.Mark()
	heal := s.Inject(fault.CutOff, second.Of)
	last := time.Now()
	s.Inject(fault.Reapplied(backup), nil)
	if next, ok := s.Next(mark, 4*s.Timing.LeaseDuration); ok {
		gap := next.At.Sub(s.Renewed(second.Process, last))
		s.AtLeast("last renewal of the leader cut off → another leads", gap, s.Timing.LeaseDuration)
		s.Rises(second, next)
	}
	heal()
}
