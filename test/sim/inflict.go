// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/test/history"
)

// moment is when something is done to the world.
type moment struct {
	at time.Duration
	do func()
}

// moments are the plan's faults, their ends, and looks in between.
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
		w.log.Add(history.Event{Kind: kind, Replica: f.scope(replica), Note: note, OK: ok})
	}
	var heal []func()
	begin = func() {
		for _, s := range w.targets(f) {
			say(history.FaultBegan, s.Name)
			healed := func() { say(history.FaultEnded, s.Name) }
			if undo := w.befall(s, f, healed); undo != nil {
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

// targets are the replicas that the fault befalls; one, whichever, for those that befall the Lease.
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

// befall does it to one replica. healed is to be called when it is over, which the result does for a window.
func (w *world) befall(s *seat, f Fault, healed func()) (undo func()) {
	if w.edit(f) {
		healed()
		return nil
	}
	switch f.Kind {
	case Partition, CutOut, CutIn, Latency, Late, Hold, Flaky, Errors, NoWrites, NoWatch, WatchLag:
		s.begin(f)
		return func() {
			s.finish(f)
			healed()
		}
	case Drain:
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
	return w.befallProcess(p, f, healed)
}

func (w *world) befallProcess(p *process, f Fault, healed func()) (undo func()) {
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
			p.step(p.ctx)
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

// edit does what an administrator's hand does to the Lease, if that is what the fault is.
func (w *world) edit(f Fault) bool {
	change := func(do func(*coordinationv1.Lease)) { w.server.Edit(namespace, leaseName, do) }
	switch f.Kind {
	case Delete:
		w.server.Delete(namespace, leaseName)
	case Remake:
		w.server.Delete(namespace, leaseName)
		w.server.Put(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: leaseName}})
	case Blank:
		change(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil })
	case Stranger:
		change(func(l *coordinationv1.Lease) {
			l.Spec.HolderIdentity, l.Spec.RenewTime = ptr.To("stranger"), ptr.To(metav1.NowMicro())
		})
	case Rubbish:
		change(func(l *coordinationv1.Lease) { rubbish[f.N%len(rubbish)](&l.Spec) })
	case Label:
		change(func(l *coordinationv1.Lease) {
			metav1.SetMetaDataLabel(&l.ObjectMeta, "edited", time.Now().UTC().Format("150405.000000"))
		})
	case EditSpan:
		change(func(l *coordinationv1.Lease) { l.Spec.LeaseDurationSeconds = ptr.To(int32(f.N)) }) //nolint:gosec // small
	case Compact:
		w.server.Compact()
	default:
		return false
	}
	return true
}
