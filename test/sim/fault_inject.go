// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/kube-elector/elector/test/history"
)

// moment is when something is done to the world.
type moment struct {
	at time.Duration
	do func()
}

// moments returns the plan's faults, their ends, and looks in between.
func (w *world) moments() []moment {
	var all []moment
	for i, f := range w.plan.Faults {
		begin, end := w.fault(i, f)
		all = append(all, moment{f.At, begin})
		if f.For > 0 {
			all = append(all, moment{f.At + f.For, end})
		}
	}
	// At odd times, so that a look does not fall on what goes by whole periods.
	for at := time.Duration(0); at < w.plan.Length; at += 4*w.plan.Timing.LeaseDuration/3 + 7*time.Millisecond {
		all = append(all, moment{at, w.count})
	}
	all = append(all, moment{w.plan.Length, w.count})
	slices.SortStableFunc(all, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	return all
}

// fault makes the functions that begin and end a fault.
func (w *world) fault(i int, f Fault) (begin, end func()) {
	note := fmt.Sprintf("#%d %s", i, f.Kind)
	ok := slices.Contains(harmless, f.Kind)
	say := func(kind history.Kind, replica string) {
		w.log.Add(history.Event{Kind: kind, Replica: f.scope(replica), Note: note, OK: ok, Cause: f.lasts()})
	}
	var heal []func()
	begin = func() {
		for _, s := range w.targets(f) {
			say(history.FaultBegan, s.Name)
			healed := func() { say(history.FaultEnded, s.Name) }
			if undo := w.inject(s, f, healed); undo != nil {
				heal = append(heal, undo)
			}
		}
	}
	return begin, func() {
		for _, undo := range heal {
			undo()
		}
	}
}

// targets returns the replicas that have the fault. For those of the Lease it is one, no matter which.
func (w *world) targets(f Fault) []*seat {
	switch f.Replica {
	case "":
		if slices.Contains(byHand, f.Kind) {
			return w.seats[:1]
		}
		return w.seats
	case leader:
		for _, s := range w.seats {
			if p := s.process(); p != nil && !p.link.isFrozen() && p.leads() {
				return []*seat{s}
			}
		}
		return w.seats[:1]
	}
	return slices.DeleteFunc(slices.Clone(w.seats), func(s *seat) bool { return s.Name != f.Replica })
}

// inject injects the fault into one replica. healed must be called when it is over. For a window, the result calls it.
func (w *world) inject(s *seat, f Fault, healed func()) (undo func()) {
	if undo, edited := w.edit(f); edited {
		if undo == nil {
			healed()
			return nil
		}
		return func() {
			undo()
			healed()
		}
	}
	if slices.Contains(network, f.Kind) {
		s.begin(f)
		if p := s.process(); p != nil && f.Kind == Stuck {
			p.set(func(p *process) { p.stuck = true })
		}
		if p := s.process(); p != nil && f.Kind == Refuse {
			p.link.client.CutWatches()
		}
		return func() {
			s.finish(f)
			healed()
		}
	}
	if k := s.kubelet; k != nil && f.Kind == Lie {
		k.lie(f.N)
	} else if k != nil && f.Kind == Away {
		undo := k.leave()
		return func() {
			undo()
			healed()
		}
	}
	if f.Kind == Drain {
		s.mu.Lock()
		s.drain = f.D
		s.mu.Unlock()
		healed()
		return nil
	}
	p := s.process()
	if p == nil { // between two processes
		healed()
		return nil
	}
	return w.injectOn(p, f, healed)
}

func (w *world) injectOn(p *process, f Fault, healed func()) (undo func()) {
	switch f.Kind {
	case Crash:
		p.seat.next(healed)
		p.kill(f.For)
	case Stop, Hog:
		p.seat.next(healed)
		p.set(func(p *process) {
			p.rest = max(f.For, time.Millisecond)
			p.hog = p.hog || f.Kind == Hog
			p.slow = p.slow || f.Kind == Hog
		})
		p.stop()
	case Pause:
		p.freeze(f.N == 1)
		return func() {
			p.thaw()
			healed()
		}
	case StepDown:
		w.group.Go(func() {
			p.stepDown()
			healed()
		})
	case Stall:
		p.link.client.StallWatches()
		healed()
	case CutWatch:
		p.link.client.CutWatches()
		healed()
	case Expire:
		p.link.client.ExpireWatches()
		healed()
	default:
		healed()
	}
	return nil
}
