// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"

	"github.com/kube-elector/elector/elector/leasetest"
)

// A link is the network of a process. It has leasetest's Client with any number of faults at once, and a gate that
// stops a frozen process before it sends and before it hears.
type link struct {
	kubernetes.Interface
	client *leasetest.Client
	plain  bool      // client-go's LeaderElector releases again at once after a conflict, deeper on its stack each time
	began  time.Time // of the run
	// distance is how long a request and its reply take at most when all is well. The actual time varies.
	distance time.Duration

	mu      sync.Mutex // guards all below
	on      []Fault
	dead    bool          // for ever
	deaf    bool          // requests have ignored their contexts
	frozen  chan struct{} // closed when it is thawed, and nil while it runs
	sent    int
	counted int // of those, what has been reported
}

func newLink(client *leasetest.Client, w *world, plain bool) *link {
	l := &link{Interface: client, client: client, plain: plain, began: w.began, distance: w.plan.Distance}
	client.Intercept(l.fault)
	return l
}

// begin puts a fault on, and end takes it off.
func (l *link) begin(f Fault) {
	l.change(func() {
		l.on = append(l.on, f)
		l.deaf = l.deaf || f.Kind == Deaf
	})
}

// wasDeaf reports whether requests have ever ignored their contexts.
func (l *link) wasDeaf() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deaf
}

func (l *link) end(f Fault) {
	l.change(func() {
		if i := slices.Index(l.on, f); i >= 0 {
			l.on = slices.Delete(l.on, i, i+1)
		}
	})
}

// cut ends the process. From then on nothing goes either way.
func (l *link) cut() {
	l.change(func() { l.dead = true })
	l.thaw()
}

func (l *link) freeze() {
	l.change(func() { l.frozen = make(chan struct{}) })
}

func (l *link) thaw() {
	l.change(func() {
		if l.frozen != nil {
			close(l.frozen)
			l.frozen = nil
		}
	})
}

func (l *link) isFrozen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.frozen != nil
}

// change changes the faults of requests, and updates those of watches. Events that must not come through are delayed
// for longer than a run, and all arrive when the fault is over.
func (l *link) change(do func()) {
	l.mu.Lock()
	do()
	var delay time.Duration
	if l.dead || l.frozen != nil || l.has(Partition, Stuck, CutIn, Hold) {
		delay = 1000 * time.Hour
	}
	for _, f := range l.on {
		if f.Kind == WatchLag {
			delay = max(delay, f.D)
		}
	}
	l.mu.Unlock()
	l.client.DelayWatches(delay)
}

func (l *link) has(kinds ...Kind) bool {
	return slices.ContainsFunc(l.on, func(f Fault) bool { return slices.Contains(kinds, f.Kind) })
}

// fault returns what happens to one request.
func (l *link) fault(op leasetest.Op) leasetest.Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	if l.dead {
		return leasetest.Fault{Hang: true}
	}
	half := l.distance / 200 * time.Duration(l.sent*37%100)
	all := leasetest.Fault{Delay: half, ReplyDelay: half}
	write := op.Verb == "update" || op.Verb == "create"
	for _, f := range l.on {
		switch f.Kind {
		case Partition, Stuck, CutOut:
			all.Hang = true
		case CutIn:
			all.LoseReply = true
		case Latency:
			all.Delay += f.D
			all.ReplyDelay += time.Duration(f.N) * time.Millisecond
		case Late:
			all.Delay += f.D
		case Hold:
			all.Delay = max(all.Delay, time.Until(l.began.Add(f.At+f.For)))
		case Deaf:
			all.IgnoreContext = true
			all.Delay = max(all.Delay, time.Until(l.began.Add(f.At+f.For)))
			all.LostWithCaller = all.LostWithCaller || f.N == 0
		case Refuse:
			all.Err = cmp.Or(all.Err, l.allowed(denial(f.N, op.Verb)))
		case Flaky:
			all.LoseReply = all.LoseReply || l.sent%3 == 0
			all.Hang = all.Hang || l.sent%5 == 0
		case Errors:
			all.Err = l.refusal(f.N)
		case NoWrites:
			if write {
				all.Err = l.refusal(f.N)
			}
		case NoWatch:
			if op.Verb == "watch" {
				all.Err = l.refusal(f.N)
			}
		case NoPods:
			if op.Resource == "pods" {
				all.Err = l.refusal(f.N)
			}
		}
	}
	if all.IgnoreContext && (all.Hang || all.LoseReply) {
		// It hangs before it is sent, and must come back some time.
		all.Hang, all.LoseReply, all.Err = false, false, errLost
	}
	return all
}

var errLost = errors.New("the connection was lost")

func (l *link) refusal(n int) error { return l.allowed(refusals[n%len(refusals)]) }

// allowed spares plain client-go the conflicts that do not end.
func (l *link) allowed(err error) error {
	if l.plain && apierrors.IsConflict(err) {
		err = refusals[0]
	}
	return err
}

// gate waits while the process is frozen.
func (l *link) gate() {
	for {
		l.mu.Lock()
		frozen := l.frozen
		l.mu.Unlock()
		if frozen == nil {
			return
		}
		<-frozen
	}
}

// arrive lets a reply through, or not.
func (l *link) arrive(ctx context.Context) error {
	l.gate()
	l.mu.Lock()
	lost := l.dead || l.has(Partition, Stuck, CutIn)
	l.mu.Unlock()
	if lost {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// requests returns how many have been sent since the last call.
func (l *link) requests() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.sent - l.counted
	l.counted = l.sent
	return n
}

// CoordinationV1 serves Leases over the link.
func (l *link) CoordinationV1() coordinationclient.CoordinationV1Interface {
	return linkGroup{l.client.CoordinationV1(), l}
}

type linkGroup struct {
	coordinationclient.CoordinationV1Interface
	link *link
}

func (g linkGroup) Leases(namespace string) coordinationclient.LeaseInterface {
	return linkLeases{g.CoordinationV1Interface.Leases(namespace), g.link}
}

type linkLeases struct {
	coordinationclient.LeaseInterface
	link *link
}

// over makes a request over the link.
func over[T any](ctx context.Context, l *link, request func() (T, error)) (T, error) {
	l.gate()
	got, err := request()
	if lost := l.arrive(ctx); lost != nil {
		var none T
		return none, lost
	}
	return got, err
}

func (l linkLeases) Get(ctx context.Context, name string, opts metav1.GetOptions) (*coordinationv1.Lease, error) {
	return over(ctx, l.link, func() (*coordinationv1.Lease, error) { return l.LeaseInterface.Get(ctx, name, opts) })
}

func (l linkLeases) Create(ctx context.Context, lease *coordinationv1.Lease, opts metav1.CreateOptions) (*coordinationv1.Lease, error) {
	return over(ctx, l.link, func() (*coordinationv1.Lease, error) { return l.LeaseInterface.Create(ctx, lease, opts) })
}

func (l linkLeases) Update(ctx context.Context, lease *coordinationv1.Lease, opts metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	return over(ctx, l.link, func() (*coordinationv1.Lease, error) { return l.LeaseInterface.Update(ctx, lease, opts) })
}

func (l linkLeases) List(ctx context.Context, opts metav1.ListOptions) (*coordinationv1.LeaseList, error) {
	return over(ctx, l.link, func() (*coordinationv1.LeaseList, error) { return l.LeaseInterface.List(ctx, opts) })
}

func (l linkLeases) Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error {
	_, err := over(ctx, l.link, func() (struct{}, error) { return struct{}{}, l.LeaseInterface.Delete(ctx, name, opts) })
	return err
}

func (l linkLeases) Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	return watchOver(ctx, l.link, opts, l.LeaseInterface.Watch)
}

// watchOver opens a watch over the link.
func watchOver(
	ctx context.Context, l *link, opts metav1.ListOptions, open func(context.Context, metav1.ListOptions) (watch.Interface, error),
) (watch.Interface, error) {
	stream, err := over(ctx, l, func() (watch.Interface, error) { return open(ctx, opts) })
	if stream == nil && err == nil {
		err = ctx.Err()
	}
	return stream, err
}
