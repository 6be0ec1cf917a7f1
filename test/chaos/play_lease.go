// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-elector/elector/test/harness"
)

const notice = 50 * time.Millisecond

// playDeleted is row 15: first with a leader that is well, then with one that cannot see it.
func playDeleted(s *stage) error {
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark, sent := s.mark(), time.Now()
	if _, err := s.befall(deleted, nil); err != nil {
		return err
	}
	if end, ok := s.ends(mark, old, 2*s.timing.LeaseDuration); ok {
		s.within("deleted → told", end.At.Sub(sent), notice)
	}
	if next, ok := s.next(mark, 4*s.timing.LeaseDuration); ok {
		s.rises(old, next)
		if next.Replica != old.replica {
			s.atLeast("last renewal → another leads", next.At.Sub(s.renewed(old.process, sent)), s.timing.LeaseDuration)
		}
	}
	if err := s.settle(); err != nil {
		return err
	}
	if old, err = s.reign(); err != nil {
		return err
	}
	mark = s.mark()
	heal, err := s.befall(freezing, old.pod)
	if err != nil {
		return err
	}
	last := time.Now()
	if _, err := s.befall(deleted, nil); err != nil {
		return err
	}
	if next, ok := s.next(mark, 4*s.timing.LeaseDuration); ok {
		s.atLeast("last renewal of a frozen leader → another leads", next.At.Sub(s.renewed(old.process, last)), s.timing.LeaseDuration)
		s.rises(old, next)
	}
	mark = s.mark()
	if err := heal(); err != nil {
		return err
	}
	s.ends(mark, old, 2*s.timing.LeaseDuration)
	return nil
}

// playEdited is row 16.
func playEdited(s *stage) error {
	for _, a := range []ailment{stolen, blanked} {
		old, err := s.reign()
		if err != nil {
			return err
		}
		mark, sent := s.mark(), time.Now()
		if _, err := s.befall(a, nil); err != nil {
			return err
		}
		if end, ok := s.ends(mark, old, 2*s.timing.LeaseDuration); ok {
			s.within(a.name+" → told", end.At.Sub(sent), notice)
		}
		if _, ok := s.next(mark, 4*s.timing.LeaseDuration); !ok {
			return nil
		}
		edited := false
		for _, r := range s.records(mark) {
			if edited {
				s.must(r.Acquired.After(sent), "%s: %s wrote on over it", a.name, r.Author)
				break
			}
			edited = r.Author == "" && !r.Renewed.Before(sent.Truncate(time.Microsecond))
		}
		s.must(edited, "%s: nobody saw it", a.name)
		if err := s.settle(); err != nil {
			return err
		}
	}
	return nil
}

// playLabelled is row 17.
func playLabelled(s *stage) error {
	mark := s.mark()
	for range 20 {
		if err := s.suffer(labelled, nil, s.timing.RetryPeriod/4); err != nil {
			return err
		}
	}
	if err := s.stays(mark, 2*s.timing.RetryPeriod); err != nil {
		return err
	}
	all := s.records(mark)
	s.must(len(all) > 0 && all[len(all)-1].Marked, "the edit did not survive")
	return nil
}

// playRubbish is row 18.
func playRubbish(s *stage) error {
	hold := map[string]any{"holderIdentity": "rubbish", "leaseDurationSeconds": 1}
	with := func(key string, value any) map[string]any {
		m := map[string]any{key: value}
		for k, v := range hold {
			if _, ok := m[k]; !ok {
				m[k] = v
			}
		}
		return m
	}
	before, err := s.logs()
	if err != nil {
		return err
	}
	for _, a := range []ailment{
		written("nil fields", map[string]any{"acquireTime": nil, "holderIdentity": nil, "leaseDurationSeconds": nil, "leaseTransitions": nil, "renewTime": nil}),
		written("nil duration", with("leaseDurationSeconds", nil)),
		written("most transitions", with("leaseTransitions", 1<<31-1)),
		written("year 1970", with("renewTime", metav1.MicroTime{Time: time.Unix(0, 0)})),
		written("year 2099", with("renewTime", metav1.MicroTime{Time: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)})),
		written("holder of 1 MiB", with("holderIdentity", strings.Repeat("x", 1<<20))),
		written("huge duration, then blanked", with("leaseDurationSeconds", 1<<31-1)),
	} {
		mark := s.mark()
		if _, err := s.befall(a, nil); err != nil {
			return err
		}
		landed := time.Now() // A mebibyte takes its time, and loses races against renewals.
		if strings.HasPrefix(a.name, "huge") {
			if err := harness.Pause(s.ctx, s.timing.LeaseDuration); err != nil {
				return err
			}
			if _, err := s.befall(blanked, nil); err != nil {
				return err
			}
			landed = time.Now()
		}
		if next, ok := s.next(mark, 4*s.timing.LeaseDuration); ok {
			s.within(a.name+" → leads", next.At.Sub(landed), s.timing.LeaseDuration+slack)
		}
		if err := s.settle(); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	after, err := s.logs()
	if err != nil {
		return err
	}
	logged := len(after) - len(before)
	s.must(logged < 256<<10, "%d bytes were logged", logged)
	s.count("bytes logged", logged)
	s.must(s.survived(), "a process has ended")
	return nil
}

// survived reports whether no process has ended by itself.
func (s *stage) survived() bool {
	for _, e := range s.since(0) {
		if e.Kind == exited {
			return false
		}
	}
	return true
}

// playChanges is row 33.
func playChanges(n int) func(*stage) error {
	return func(s *stage) error {
		var early map[process]*usage
		changes := 0
		for end := time.Now().Add(3 * time.Minute); changes < n && time.Now().Before(end); changes++ {
			a := deleted
			if changes%4 > 0 {
				a = blanked
			}
			mark := s.mark()
			if _, err := s.befall(a, nil); err != nil {
				return err
			}
			if _, ok := s.next(mark, 4*s.timing.LeaseDuration); !ok {
				break
			}
			if changes == n/10 {
				early = s.usages()
			}
		}
		s.count("changes of leader", changes)
		if err := s.settle(); err != nil {
			return err
		}
		if err := harness.Pause(s.ctx, time.Second); err != nil { // for a last report
			return err
		}
		for p, u := range s.usages() {
			if was := early[p]; was != nil {
				s.must(u.Goroutines < was.Goroutines+20, "%s: %d goroutines, %d early on", p, u.Goroutines, was.Goroutines)
				s.must(u.Files < was.Files+10, "%s: %d open files, %d early on", p, u.Files, was.Files)
			}
		}
		return nil
	}
}

// playBare is row 38.
func playBare(s *stage) error {
	mark := s.mark()
	for range 20 {
		if err := s.suffer(bare, nil, s.timing.RetryPeriod/4); err != nil {
			return err
		}
	}
	heal, err := s.befall(stripped, nil)
	if err != nil {
		return err
	}
	if err := s.stays(mark, s.timing.LeaseDuration); err != nil {
		return err
	}
	// Others can take over and keep the Lease under the policy.
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark = s.mark()
	if _, err := s.befall(crash, old.pod); err != nil {
		return err
	}
	if next, ok := s.next(mark, 4*s.timing.LeaseDuration); ok {
		s.within("last renewal → next leads", next.At.Sub(s.renewed(old.process, next.At)), s.timing.LeaseDuration+slack)
		s.rises(old, next)
	}
	if err := s.stays(s.mark(), 2*s.timing.LeaseDuration); err != nil {
		return err
	}
	twin, err := s.says(duplicate)
	s.must(!twin, "a log says that there are two of one identity")
	return errors.Join(err, heal())
}

// playReapplied is row 39. The leader whose record is replaced is cut off, so that it does not notice.
func playReapplied(s *stage) error {
	first, err := s.reign()
	if err != nil {
		return err
	}
	backup, err := s.plane.Admin.CoordinationV1().Leases(s.space).Get(s.ctx, leaseName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	mark := s.mark()
	thaw, err := s.befall(freezing, first.pod)
	if err != nil {
		return err
	}
	if _, ok := s.next(mark, 4*s.timing.LeaseDuration); !ok {
		return errors.New("nobody takes over")
	}
	mark = s.mark()
	if err := thaw(); err != nil {
		return err
	}
	s.ends(mark, first, 2*s.timing.LeaseDuration)
	if err := s.settle(); err != nil {
		return err
	}
	second, err := s.reign()
	if err != nil {
		return err
	}
	mark = s.mark()
	heal, err := s.befall(cutOff, second.pod)
	if err != nil {
		return err
	}
	last := time.Now()
	if _, err := s.befall(reapplied(backup), nil); err != nil {
		return err
	}
	if next, ok := s.next(mark, 4*s.timing.LeaseDuration); ok {
		gap := next.At.Sub(s.renewed(second.process, last))
		s.atLeast("last renewal of the leader cut off → another leads", gap, s.timing.LeaseDuration)
		s.rises(second, next)
	}
	return heal()
}
