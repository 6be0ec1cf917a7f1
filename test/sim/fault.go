// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kube-elector/elector/test/history"
)

// Kind is what a fault does.
type Kind string

// The kinds of faults. A "window" lasts for Fault.For, the others happen at once. D is a duration they need.
const (
	Crash    Kind = "crash"     // the process is gone at once; the replica starts again after For
	Stop     Kind = "stop"      // Start's context is cancelled; the replica starts again For after its end
	Pause    Kind = "pause"     // window: the process is frozen; N 1: between its work's look at the term and its write
	StepDown Kind = "step-down" // StepDown is called
	Drain    Kind = "drain"     // from now on the work takes D to end
	Hog      Kind = "hog"       // the work of this process will outlast DrainTimeout

	Partition Kind = "partition" // window: nothing goes either way
	CutOut    Kind = "cut-out"   // window: requests are lost
	CutIn     Kind = "cut-in"    // window: replies and events of watches are lost
	Latency   Kind = "latency"   // window: requests take D, replies N ms
	Late      Kind = "late"      // window: requests arrive after D, when their callers may have given up
	Hold      Kind = "hold"      // window: whatever is sent arrives at its end, as TCP tries again and again
	Flaky     Kind = "flaky"     // window: every third reply is lost, every fifth request is
	Errors    Kind = "errors"    // window: all requests are answered by an error, which one says N
	NoWrites  Kind = "no-writes" // window: all writes are answered by an error, which one says N
	NoWatch   Kind = "no-watch"  // window: watches are refused
	WatchLag  Kind = "watch-lag" // window: events of watches come D late, after newer replies
	Stall     Kind = "stall"     // open watches go silent
	CutWatch  Kind = "cut-watch" // open watches are closed
	Expire    Kind = "expire"    // open watches end with 410
	Compact   Kind = "compact"   // the server forgets its history
	Delete    Kind = "delete"    // the Lease is deleted
	Remake    Kind = "remake"    // the Lease is deleted and a blank one made
	Blank     Kind = "blank"     // its holder is blanked
	Stranger  Kind = "stranger"  // another holder is written into it
	Rubbish   Kind = "rubbish"   // nonsense is written into it, which one says N
	Label     Kind = "label"     // a label is edited
	EditSpan  Kind = "edit-span" // leaseDurationSeconds alone is edited, to N

	Stuck      Kind = "stuck"      // window: nothing goes either way, and the work of this process ignores its context
	Deaf       Kind = "deaf"       // window: requests hang and ignore their contexts; N 1: then they go on all the same
	Refuse     Kind = "refuse"     // long window: some kinds of requests are refused, which and how says N
	Janitor    Kind = "janitor"    // window: the Lease is deleted 10 ms after it was made, every time
	Unannotate Kind = "unannotate" // the Lease's annotations are removed
	Strip      Kind = "strip"      // window: admission removes the annotations from whatever is written
	Reapply    Kind = "reapply"    // an old copy of the Lease is put back, which one says N
	Remodel    Kind = "remodel"    // the Lease is deleted, a blank one made and edited

	Lie    Kind = "lie"     // something false is written into the Pod of a process that lives, which one says N
	Away   Kind = "away"    // window: the node reports nothing of what ends on it
	NoPods Kind = "no-pods" // window: requests about Pods are answered by an error, which one says N
)

// Fault is one of a plan. Replica "" is all of them.
type Fault struct {
	At      time.Duration
	For     time.Duration
	Kind    Kind
	Replica string
	D       time.Duration
	N       int
}

func (f Fault) String() string {
	text := fmt.Sprintf("%10.3fs %-10s", f.At.Seconds(), f.Kind)
	if f.Replica != "" {
		text += " of " + f.Replica
	}
	if f.For > 0 {
		text += fmt.Sprintf(" for %v", f.For)
	}
	if f.D > 0 {
		text += fmt.Sprintf(" D=%v", f.D)
	}
	if f.N != 0 {
		text += fmt.Sprintf(" N=%d", f.N)
	}
	return text
}

var (
	// byHand are those that are about the Lease and no replica.
	byHand = []Kind{
		Delete, Remake, Blank, Stranger, Rubbish, Label, EditSpan, Compact, Janitor, Unannotate, Strip, Reapply, Remodel,
	}
	// harmless are those that no leader may lose its term to.
	harmless = []Kind{NoWatch, WatchLag, Stall, CutWatch, Expire, Compact, Label, Drain, Unannotate, Strip, Lie, Away, NoPods}
	// network are those of a replica's network that last until their end.
	network = []Kind{
		Partition, CutOut, CutIn, Latency, Late, Hold, Flaky, Errors, NoWrites, NoWatch, WatchLag, Stuck, Deaf, Refuse, NoPods,
	}
	// windows are those with an end of their own.
	windows = append([]Kind{Pause, Janitor, Strip, Away}, network...)
	// lasting are those that take so long that everybody must have become calm about them.
	lasting = []Kind{Refuse, Janitor}
)

// weights say how often a kind is drawn. Anything not in it is drawn only on demand.
var weights = []struct {
	kind Kind
	n    int
}{
	{Crash, 8}, {Stop, 8}, {Pause, 8}, {StepDown, 6}, {Drain, 3}, {Hog, 1},
	{Partition, 8}, {CutOut, 3}, {CutIn, 4}, {Latency, 6}, {Late, 4}, {Hold, 5}, {Flaky, 3}, {Errors, 5}, {NoWrites, 3},
	{NoWatch, 2}, {WatchLag, 5}, {Stall, 4}, {CutWatch, 2}, {Expire, 2}, {Compact, 2},
	{Delete, 4}, {Remake, 1}, {Blank, 3}, {Stranger, 3}, {Rubbish, 3}, {Label, 2}, {EditSpan, 1},
	{Stuck, 3}, {Deaf, 4}, {Refuse, 2}, {Janitor, 1}, {Unannotate, 2}, {Strip, 2}, {Reapply, 3}, {Remodel, 1},
}

// ofPods are drawn beside them where replicas have crash detection, most often a crash.
var ofPods = []Kind{Crash, Crash, Crash, Crash, Lie, Lie, Lie, Away, NoPods}

// firstOfNew is where in weights the kinds begin that came later. Older seeds have their plans without them.
const firstOfNew = 28

// Kinds returns all that are drawn.
func Kinds() []Kind { return kinds(len(weights)) }

func kinds(n int) []Kind {
	all := make([]Kind, 0, n)
	for _, w := range weights[:n] {
		all = append(all, w.kind)
	}
	return all
}

// drawFault draws one of the kinds for a plan, but for its time.
func drawFault(r *rand.Rand, p *Plan, kinds []Kind) Fault {
	total := 0
	for _, w := range weights {
		if slices.Contains(kinds, w.kind) {
			total += w.n
		}
	}
	f := Fault{N: r.IntN(len(rubbish))}
	for n, i := r.IntN(total), 0; f.Kind == ""; i++ {
		if w := weights[i]; slices.Contains(kinds, w.kind) {
			if n -= w.n; n < 0 {
				f.Kind = w.kind
			}
		}
	}
	return p.drawRest(r, f)
}

// drawRest draws the rest of a fault that has a kind and a number.
func (p *Plan) drawRest(r *rand.Rand, f Fault) Fault {
	lease := p.Timing.LeaseDuration
	f.For = upTo(r, 2*lease)
	if r.IntN(3) == 0 {
		f.For = upTo(r, lease/4)
	}
	if !slices.Contains(byHand, f.Kind) && r.IntN(6) > 0 {
		f.Replica = p.Replicas[r.IntN(len(p.Replicas))].Name
		if r.IntN(2) == 0 {
			f.Replica = leader // most of what can go wrong goes wrong with the one who leads
		}
	}
	switch f.Kind {
	case Latency:
		f.D, f.N = upTo(r, p.Timing.RenewDeadline*2/3), r.IntN(int(p.Timing.RenewDeadline.Milliseconds()))
	case Late, WatchLag:
		f.D = upTo(r, lease)
	case Drain:
		f.D = upTo(r, lease)
	case EditSpan:
		f.N = 1 + r.IntN(2*int(lease.Seconds()))
	case Pause:
		f.N = r.IntN(2)
	case Deaf:
		f.For, f.N = upTo(r, 8*lease), r.IntN(2)
	case Stuck:
		f.For += p.Timing.RenewDeadline
	case Refuse:
		f.For = time.Duration((10 + 50*r.Float64()) * float64(lease)).Round(time.Microsecond)
		f.N = r.IntN(len(denials) * len(verbs))
	case Janitor:
		f.For = time.Duration((5 + 10*r.Float64()) * float64(lease)).Round(time.Microsecond)
	}
	if !slices.Contains(windows, f.Kind) && f.Kind != Crash && f.Kind != Stop {
		f.For = 0
	}
	return f
}

// upTo returns a number that is small more often than large.
func upTo(r *rand.Rand, d time.Duration) time.Duration {
	return max(time.Millisecond, time.Duration(float64(d)*r.Float64()*r.Float64()).Round(time.Microsecond))
}

// leader, as a Replica, is the one that leads when the fault begins, or any if none does.
const leader = "the leader"

// lasts returns the Cause of the fault's events.
func (f Fault) lasts() string {
	switch {
	case f.Kind == Janitor:
		return history.LastingEdit
	case f.Kind != Refuse:
		return ""
	case apierrors.IsNotFound(denial(f.N, "get")):
		return history.LastingLie
	case apierrors.IsForbidden(denial(f.N, "watch")) && apierrors.IsForbidden(denial(f.N, "update")):
		return history.LastingBan
	}
	return history.LastingSome
}

// scope returns the Replica of the fault's events.
func (f Fault) scope(replica string) string {
	if slices.Contains(byHand, f.Kind) {
		return history.ByHand
	}
	return replica
}
