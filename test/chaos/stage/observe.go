// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/test/chaos/event"
)

const (
	// Slack is what a next leader may take beyond the time for which it has to wait.
	Slack = 250 * time.Millisecond
	// Notice is what a leader may take to notice that the Lease is no longer its own.
	Notice = 50 * time.Millisecond
)

// A Term is a time in which a process leads.
type Term struct {
	event.Process
	Of    *Replica
	Token string
}

// Leader returns the present term, the latest if there are several. It ends the scenario if no replica leads.
func (s *Stage) Leader() Term {
	t, ok := s.Leading()
	if !ok {
		s.Check(errors.New("no replica leads"))
	}
	return t
}

// Leading returns the present term, if there is one.
func (s *Stage) Leading() (t Term, ok bool) {
	all := s.leaders()
	if len(all) == 0 {
		return t, false
	}
	t.Process = all[len(all)-1]
	t.Of = s.replica(t.Replica)
	for _, e := range s.Since(0) {
		if e.Kind == event.Leads && e.Process() == t.Process {
			t.Token = e.Token
		}
	}
	return t, true
}

func (s *Stage) replica(name string) *Replica {
	return s.Replicas[slices.IndexFunc(s.Replicas, func(r *Replica) bool { return r.Name == name })]
}

// Renewed returns when the process sent the last of its writes of the Lease that landed, up to a time.
func (s *Stage) Renewed(p event.Process, until time.Time) time.Time {
	var last time.Time
	for _, e := range s.Since(0) {
		if e.Kind == event.Lease && e.Record.Author == p.String() && !e.Record.Renewed.After(until) && e.Record.Renewed.After(last) {
			last = e.Record.Renewed
		}
	}
	return last
}

// LongestWithout returns the longest time between two renewals of the process from the mark up to a time.
func (s *Stage) LongestWithout(p event.Process, mark int, until time.Time) time.Duration {
	var longest time.Duration
	var last time.Time
	for _, e := range s.Since(mark) {
		if e.Kind != event.Lease || e.Record.Author != p.String() || e.Record.Renewed.After(until) {
			continue
		}
		if !last.IsZero() {
			longest = max(longest, e.Record.Renewed.Sub(last))
		}
		last = e.Record.Renewed
	}
	if last.IsZero() {
		return until.Sub(s.Began)
	}
	return max(longest, until.Sub(last))
}

// Ends waits for the end of the term, by its context or with its process, and fails if there is none.
func (s *Stage) Ends(mark int, t Term, timeout time.Duration) (event.Event, bool) {
	e, ok := s.Await(mark, timeout, t.Does(event.Told, event.Exited))
	s.Must(ok, "replica %s still leads %v after the fault", t.Process, timeout)
	return e, ok
}

// EndsByDeadline waits for the end of the term, which must come RenewDeadline after the last renewal at the latest.
func (s *Stage) EndsByDeadline(mark int, t Term) (event.Event, bool) {
	end, ok := s.Ends(mark, t, 4*s.Timing.LeaseDuration)
	if ok {
		s.Within("last renewal sent → told", end.At.Sub(s.Renewed(t.Process, end.At)), s.Timing.RenewDeadline)
	}
	return end, ok
}

// Next waits for a term to begin, and fails if none does.
func (s *Stage) Next(mark int, timeout time.Duration) (event.Event, bool) {
	e, ok := s.Await(mark, timeout, event.Of(event.Leads))
	s.Must(ok, "no replica leads within %v", timeout)
	return e, ok
}

// NextAtExpiry waits for a term to begin after t, which must come when t's Lease lapses, and with a higher token.
func (s *Stage) NextAtExpiry(mark int, t Term) (event.Event, bool) {
	next, ok := s.Next(mark, 4*s.Timing.LeaseDuration)
	if ok {
		s.Within("last renewal → next leads", next.At.Sub(s.Renewed(t.Process, next.At)), s.Timing.LeaseDuration+Slack)
		s.Rises(t, next)
	}
	return next, ok
}

// Rises fails unless the new term's token is higher. Some peers have no tokens.
func (s *Stage) Rises(old Term, e event.Event) {
	if old.Token == "" && e.Token == "" {
		return
	}
	order, err := elector.Token(e.Token).Compare(elector.Token(old.Token))
	s.Must(err == nil && order > 0, "token %q after %q", e.Token, old.Token)
}

// Stays waits for d and fails if any term has begun or ended since the mark.
func (s *Stage) Stays(mark int, d time.Duration) {
	s.Pause(d)
	for _, e := range s.Since(mark) {
		switch e.Kind {
		case event.Leads, event.Told, event.Stopped, event.Exited:
			s.Must(false, "%s %s %s: want no change of leader", e.Process(), e.Kind, e.Detail)
		}
	}
}

// CountSince returns how many events of the kind there were since the mark.
func (s *Stage) CountSince(mark int, kind event.Kind) (n int) {
	for _, e := range s.Since(mark) {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// Usages returns what each process has used, by its last report.
func (s *Stage) Usages() map[event.Process]*event.Usage {
	all := map[event.Process]*event.Usage{}
	for _, e := range s.Since(0) {
		if e.Kind == event.Counts {
			all[e.Process()] = e.Usage
		}
	}
	return all
}

// Sent returns how many requests each process has sent since the earlier usages.
func (s *Stage) Sent(before map[event.Process]*event.Usage) map[event.Process]int {
	sent := map[event.Process]int{}
	for p, u := range s.Usages() {
		sent[p] = u.Total()
		if was := before[p]; was != nil {
			sent[p] -= was.Total()
		}
	}
	return sent
}

// Log returns what the replica's processes have logged.
func (r *Replica) Log() string {
	text, err := os.ReadFile(r.logFile())
	if !errors.Is(err, os.ErrNotExist) {
		r.stage.Check(err)
	}
	return string(text)
}

// Logs returns the logs of all replicas.
func (s *Stage) Logs() string {
	var all strings.Builder
	for _, r := range s.Replicas {
		all.WriteString(r.Log())
	}
	return all.String()
}

// Says reports whether any replica's log contains the words.
func (s *Stage) Says(words string) bool { return strings.Contains(s.Logs(), words) }

// Records returns the Lease's records since the mark.
func (s *Stage) Records(mark int) (all []*event.Record) {
	for _, e := range s.Since(mark) {
		if e.Kind == event.Lease {
			all = append(all, e.Record)
		}
	}
	return all
}

// BlankedBy reports whether a process has blanked the Lease since the mark.
func (s *Stage) BlankedBy(p event.Process, mark int) bool {
	return slices.ContainsFunc(s.Records(mark), func(r *event.Record) bool {
		return r.Holder == "" && r.Author == p.String()
	})
}
