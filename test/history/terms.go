// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"math"
	"time"
)

const never = time.Duration(math.MaxInt64)

// span is the time from its beginning up to, but without, its end.
type span struct{ from, to time.Duration }

// overlap returns what two spans have in common.
func (s span) overlap(other span) span { return span{max(s.from, other.from), min(s.to, other.to)} }

func (s span) empty() bool { return s.to <= s.from }

// process is what became of one.
type process struct {
	name   string
	plain  bool
	alive  span
	told   time.Duration // when it was told to end, or never
	frozen []span
	terms  []*term
	leads  []time.Duration // when IsLeader said so
	wrote  int             // where in the history it last wrote its name into the Lease, or -1

	releases bool          // it has ReleaseOnCancel
	detects  bool          // it has crash detection
	reported time.Duration // when its end was reported, or never
	clear    bool          // nobody has said anything else about it
}

// A term is what its process's callbacks report. What has not happened is at never.
type term struct {
	of                           *process
	token                        string
	started, cancelled, returned time.Duration
	acquired                     int // where in the history it wrote what it began with
	cause                        string
	over                         time.Duration // stopped, or the process is gone
	acts, served                 []Event
	holds                        []span // in which a Hold was open
}

// voluntary says that the Lease was held on to while the work ended.
func (t *term) voluntary() bool { return t.cause == CauseStopped || t.cause == CauseSteppedDown }

// valid returns the time for which the process is sure to think that it leads. In a voluntary end it may also think so
// while its work returns, which its Leading events show.
func (t *term) valid() span { return span{t.started, min(t.cancelled, t.returned, t.over)} }

// elder reports whether t began before the other. If the callbacks cannot tell, because one process is client-go's or
// both began at one instant, the Lease decides. A reply may be late, and others may have taken a record meanwhile that
// an administrator had blanked.
func (t *term) elder(other *term) bool {
	byLease := cmp.Compare(t.acquired, other.acquired)
	if t.of.plain != other.of.plain && t.acquired >= 0 && other.acquired >= 0 {
		return byLease < 0
	}
	return cmp.Or(cmp.Compare(t.started, other.started), byLease) < 0
}

// running leaves out of s when the process was frozen, and the moment that it takes to wake up.
func (p *process) running(s span, wake time.Duration) []span {
	parts := []span{}
	for _, f := range p.frozen {
		if before := s.overlap(span{s.from, f.from}); !before.empty() {
			parts = append(parts, before)
		}
		if f.to != never {
			s.from = max(s.from, f.to+wake)
		} else {
			s.from = s.to
		}
	}
	if !s.empty() {
		parts = append(parts, s)
	}
	return parts
}

// awake says whether the process has not just woken up.
func (p *process) awake(at time.Duration, l Limits) bool {
	for _, f := range p.frozen {
		if f.to <= at && at-f.to <= l.Wake {
			return false
		}
	}
	return true
}

// judged says whether the invariants are about this process.
func (p *process) judged(l Limits) bool { return p != nil && (!p.plain || l.JudgePlain) }

// world is a history by process.
type world struct {
	history   History
	processes map[string]*process
	order     []*process
	writes    map[string][]time.Duration // of each process, accepted, that name a holder
	end       time.Duration
	touched   map[touch][]span // what faults has returned
	lies      History          // the faults with which the API server says that there is no Lease
}

// touch is what faults is asked for.
type touch struct {
	process  string
	harmless bool
}

func read(h History) *world {
	w := &world{history: h, processes: map[string]*process{}, writes: map[string][]time.Duration{}, touched: map[touch][]span{}}
	for i, e := range h {
		w.end = max(w.end, e.At)
		if (e.Kind == FaultBegan || e.Kind == FaultEnded) && e.Cause == LastingLie {
			w.lies = append(w.lies, e)
		}
		p := w.processes[e.Replica]
		if e.Kind == ProcessStarted {
			p = &process{name: e.Replica, plain: e.Plain, alive: span{e.At, never}, told: never, wrote: -1, releases: e.OK, detects: e.Detects, reported: never}
			w.processes[e.Replica] = p
			w.order = append(w.order, p)
		}
		if e.Kind == LeaseWrite && e.Replica != "" && e.After != nil && e.After.Holder != "" {
			w.writes[e.Replica] = append(w.writes[e.Replica], e.At)
			if p != nil {
				p.wrote = i
			}
		}
		if p != nil {
			p.take(e)
		}
	}
	return w
}

func (p *process) take(e Event) {
	switch last := len(p.frozen) - 1; e.Kind {
	case Frozen:
		p.frozen = append(p.frozen, span{e.At, never})
	case Thawed:
		if last >= 0 {
			p.frozen[last].to = e.At
		}
	case Leading:
		p.leads = append(p.leads, e.At)
	case TermStarted:
		p.terms = append(p.terms, &term{of: p, token: e.Token, started: e.At, acquired: p.wrote, cancelled: never, returned: never, over: never})
	}
	switch e.Kind {
	case ProcessTold:
		p.told = min(p.told, e.At)
	case ProcessEnded:
		p.alive.to = e.At
	case Reported:
		p.reported, p.clear = min(p.reported, e.At), e.OK
	}
	if len(p.terms) == 0 {
		return
	}
	switch t := p.terms[len(p.terms)-1]; e.Kind {
	case TermCancelled:
		t.cancelled, t.cause = min(t.cancelled, e.At), e.Cause
	case WorkReturned:
		t.returned = min(t.returned, e.At)
	case TermStopped, ProcessEnded:
		t.over = min(t.over, e.At)
	case Acted:
		t.acts = append(t.acts, e)
	case Served:
		t.served = append(t.served, e)
	case HoldTaken:
		t.holds = append(t.holds, span{e.At, never})
	case HoldGiven, Frozen:
		for _, t := range p.terms { // it may be one of a term before
			for i := range t.holds {
				t.holds[i].to = min(t.holds[i].to, e.At)
			}
		}
	}
}

// terms returns those of the judged processes.
func (w *world) terms(l Limits) (all []*term) {
	for _, p := range w.order {
		if p.judged(l) {
			all = append(all, p.terms...)
		}
	}
	return all
}

// faults returns the times with a fault, as the function faults does. It computes them once.
func (w *world) faults(l Limits, process string, harmless bool) []span {
	t := touch{process, harmless}
	all, known := w.touched[t]
	if !known {
		all = faults(w.history, l, process, harmless)
		w.touched[t] = all
	}
	return all
}

// faults returns the times with a fault that affects the process, or with any fault if process is "", each from its
// beginning until the process has settled. Harmless ones may be left out.
func faults(h History, l Limits, process string, harmless bool) (all []span) {
	type key struct{ replica, note string }
	open := map[key]int{}
	for _, e := range h {
		touches := process == "" || e.Replica == "" || e.Replica == process || e.Replica == slot(process)
		if !touches || e.OK && !harmless {
			continue
		}
		k := key{e.Replica, e.Note}
		switch e.Kind {
		case FaultBegan:
			open[k] = len(all)
			all = append(all, span{e.At, never})
		case FaultEnded:
			if i, ok := open[k]; ok {
				all[i].to = e.At + l.Settle
			}
		case Frozen:
			open[key{e.Replica, "frozen"}] = len(all)
			all = append(all, span{e.At, never})
		case Thawed, ProcessEnded:
			if i, ok := open[key{e.Replica, "frozen"}]; ok && all[i].to == never {
				all[i].to = e.At + l.Settle
			}
		}
	}
	return all
}

func anyOverlaps(all []span, s span) bool {
	for _, one := range all {
		if !one.overlap(s).empty() {
			return true
		}
	}
	return false
}
