// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/test/history"
)

// process is one of a replica's. It ends when it is killed or when its elector has returned; then it records nothing
// any more, and nothing that it sends arrives. What is left of it in the bubble goes away by and by.
type process struct {
	seat   *seat
	name   string
	timing Timing // by the bubble's clock
	link   *link
	leads  func() bool
	start  func(context.Context) error
	step   func(context.Context) // StepDown
	ctx    context.Context       //nolint:containedctx // start's, for stop
	cancel context.CancelFunc
	exit   chan struct{} // closed when it has ended

	mu   sync.Mutex // guards all below; held while an event is recorded
	gone bool
	rest time.Duration // until the replica's next process starts
	hog  bool          // its work will not end
	mid  bool          // its work is between its look at the term and its write
	slow bool          // its work may have outlasted DrainTimeout: it is a hog, or was frozen
}

func newProcess(s *seat, n int) *process {
	p := &process{
		seat: s, name: fmt.Sprintf("%s#%d", s.Name, n), timing: s.on(s.Timings[n%len(s.Timings)]),
		exit: make(chan struct{}), rest: s.w.plan.Timing.RetryPeriod,
	}
	p.link = newLink(s.w.server.Client(p.name), s.w, s.Plain)
	p.ctx, p.cancel = context.WithCancel(klog.NewContext(context.Background(), logr.Discard()))
	if s.Plain {
		p.clientGo()
	} else {
		p.elector()
	}
	return p
}

// identity is the process's name in the Lease.
func (p *process) identity() string {
	if p.seat.Identity != "" {
		return p.seat.Identity
	}
	return p.name
}

func (p *process) elector() {
	config := elector.Config{
		Enabled: true, Identity: p.identity(), LeaseName: leaseName, LeaseNamespace: namespace,
		LeaseDuration: p.timing.LeaseDuration, RenewDeadline: p.timing.RenewDeadline, RetryPeriod: p.timing.RetryPeriod,
		ReleaseOnCancel: p.seat.Release, DrainTimeout: 2 * p.seat.w.plan.Timing.LeaseDuration,
	}
	e, err := elector.New(&config, p.link, elector.Callbacks{
		OnStartedLeading: func(ctx context.Context) {
			term, _ := elector.TermFromContext(ctx)
			p.work(ctx, term.Token, func() bool { return term.Remaining() > 0 })
		},
		OnStoppedLeading: p.stopped,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err) // a plan that cannot be
	}
	p.leads, p.start = e.IsLeader, e.Start
	p.step = func(ctx context.Context) { _ = e.StepDown(ctx) } // it may be of no avail
}

func (p *process) clientGo() {
	le, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: leaseName},
			Client:     p.link.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: p.identity()},
		},
		LeaseDuration: p.timing.LeaseDuration, RenewDeadline: p.timing.RenewDeadline, RetryPeriod: p.timing.RetryPeriod,
		ReleaseOnCancel: p.seat.Release,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) {
				p.work(ctx, "", func() bool { return ctx.Err() == nil })
			},
			OnStoppedLeading: p.stopped,
		},
	})
	if err != nil {
		panic(err) // a plan that cannot be
	}
	p.leads = le.IsLeader
	p.start = func(ctx context.Context) error {
		le.Run(ctx)
		return nil
	}
	p.step = func(context.Context) { p.stop() }
}

// run is the process's life. It must end in good order, unless its work does not end.
func (p *process) run() {
	err := p.start(p.ctx)
	if err != nil {
		p.mu.Lock()
		if !p.gone && !(p.slow && errors.Is(err, elector.ErrDrainTimeout)) {
			p.seat.w.wrong(history.Violation{
				Invariant: "start", At: time.Since(p.seat.w.began), Replica: p.name, What: "Start returned " + err.Error(),
			})
		}
		p.mu.Unlock()
	}
	p.end(err == nil)
}

// end ends the process, as its elector has returned.
func (p *process) end(ok bool) {
	p.link.gate()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLocked(ok)
}

// kill ends the process at once, also when it is frozen.
func (p *process) kill(down time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest = down
	p.endLocked(false)
}

func (p *process) endLocked(ok bool) {
	if p.gone {
		return
	}
	p.seat.w.log.Add(history.Event{Replica: p.name, Kind: history.ProcessEnded, OK: ok})
	p.gone = true
	p.link.cut()
	p.cancel()
	close(p.exit)
}

// stop is a SIGTERM.
func (p *process) stop() { p.cancel() }

// tell is record by the process itself: if it is frozen it waits.
func (p *process) tell(e history.Event) {
	p.link.gate()
	p.record(e)
}

// record records an event of the process, if it is there.
func (p *process) record(e history.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone {
		e.Replica = p.name
		p.seat.w.log.Add(e)
	}
}

func (p *process) freeze(mid bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone || p.link.isFrozen() {
		return
	}
	p.mid, p.slow = mid, true
	p.seat.w.log.Add(history.Event{Replica: p.name, Kind: history.Frozen})
	p.link.freeze()
}

func (p *process) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone && p.link.isFrozen() {
		p.seat.w.log.Add(history.Event{Replica: p.name, Kind: history.Thawed})
		p.link.thaw()
	}
}

// set changes what is guarded.
func (p *process) set(change func(*process)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}
