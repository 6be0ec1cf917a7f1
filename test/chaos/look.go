// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/test/harness"
)

// What scenarios ask of a stage.

// slack is what the issue allows the next leader beyond the time for which it has to wait.
const slack = 250 * time.Millisecond

// tenure is a leader's, by its process, replica and token.
type tenure struct {
	process
	pod   *pod
	token string
	since time.Time
}

// reign is the leader's. It is an error if nobody leads.
func (s *stage) reign() (tenure, error) {
	leader, ok := s.leader()
	if !ok {
		return tenure{}, errors.New("nobody leads")
	}
	t := tenure{process: leader, pod: s.pod(leader.replica)}
	for _, e := range s.since(0) {
		if e.Kind == leads && e.process() == leader {
			t.token, t.since = e.Token, e.At
		}
	}
	return t, nil
}

// renewed is when the process sent the last of its writes of the Lease that landed, up to a time.
func (s *stage) renewed(p process, until time.Time) time.Time {
	var last time.Time
	for _, e := range s.since(0) {
		if e.Kind == lease && e.Record.Author == p.String() && !e.Record.Renewed.After(until) && e.Record.Renewed.After(last) {
			last = e.Record.Renewed
		}
	}
	return last
}

// longestWithout is the longest time between two renewals of the process since the mark, up to a time.
func (s *stage) longestWithout(p process, mark int, until time.Time) time.Duration {
	var longest time.Duration
	var last time.Time
	for _, e := range s.since(mark) {
		if e.Kind != lease || e.Record.Author != p.String() || e.Record.Renewed.After(until) {
			continue
		}
		if !last.IsZero() {
			longest = max(longest, e.Record.Renewed.Sub(last))
		}
		last = e.Record.Renewed
	}
	if last.IsZero() {
		return until.Sub(s.began)
	}
	return max(longest, until.Sub(last))
}

// ends waits for the end of the tenure, whether its work is told or its process ends, and fails if there is none.
func (s *stage) ends(mark int, t tenure, timeout time.Duration) (occurrence, bool) {
	e, ok := s.await(s.ctx, mark, timeout, func(e occurrence) bool {
		return (e.Kind == told || e.Kind == exited) && e.process() == t.process
	})
	s.must(ok, "replica %s still leads %v after the fault", t.process, timeout)
	return e, ok
}

// next waits for a term to begin, and fails if none does.
func (s *stage) next(mark int, timeout time.Duration) (occurrence, bool) {
	e, ok := s.await(s.ctx, mark, timeout, ofKind(leads))
	s.must(ok, "nobody leads within %v", timeout)
	return e, ok
}

// rises fails unless the new term's token is higher. Some have none.
func (s *stage) rises(old tenure, e occurrence) {
	if old.token == "" && e.Token == "" {
		return
	}
	order, err := elector.Token(e.Token).Compare(elector.Token(old.token))
	s.must(err == nil && order > 0, "token %q after %q", e.Token, old.token)
}

// stays waits for d and fails if any term has begun or ended since the mark.
func (s *stage) stays(mark int, d time.Duration) error {
	if err := harness.Pause(s.ctx, d); err != nil {
		return err
	}
	for _, e := range s.since(mark) {
		switch e.Kind {
		case leads, told, stopped, exited:
			s.must(false, "%s %s %s: nothing was to be noticed", e.process(), e.Kind, e.Detail)
		}
	}
	return nil
}

// usages is what each process has used, by its last report.
func (s *stage) usages() map[process]*usage {
	all := map[process]*usage{}
	for _, e := range s.since(0) {
		if e.Kind == counts {
			all[e.process()] = e.Usage
		}
	}
	return all
}

func (u *usage) total() (n int) {
	for _, count := range u.Requests {
		n += count
	}
	return n
}

// sent returns how many requests each process has sent since the earlier usages.
func (s *stage) sent(before map[process]*usage) map[process]int {
	sent := map[process]int{}
	for p, u := range s.usages() {
		sent[p] = u.total()
		if was := before[p]; was != nil {
			sent[p] -= was.total()
		}
	}
	return sent
}

// log returns what the replica's processes have logged.
func (p *pod) log() (string, error) {
	text, err := os.ReadFile(p.logFile())
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return string(text), err
}

// logs returns all replicas' logs.
func (s *stage) logs() (string, error) {
	var all strings.Builder
	for _, p := range s.pods {
		text, err := p.log()
		if err != nil {
			return "", err
		}
		all.WriteString(text)
	}
	return all.String(), nil
}

// says reports whether any replica's log has the words.
func (s *stage) says(words string) (bool, error) {
	text, err := s.logs()
	return strings.Contains(text, words), err
}

// records are the Lease's since the mark.
func (s *stage) records(mark int) (all []*record) {
	for _, e := range s.since(mark) {
		if e.Kind == lease {
			all = append(all, e.Record)
		}
	}
	return all
}

// blankedBy reports whether a process has blanked the Lease since the mark.
func (s *stage) blankedBy(p process, mark int) bool {
	return slices.ContainsFunc(s.records(mark), func(r *record) bool {
		return !r.Gone && r.Holder == "" && r.Author == p.String()
	})
}
