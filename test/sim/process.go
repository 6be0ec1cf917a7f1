// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/test/history"
)

// process is one of a replica's. It ends when it is killed or when its elector has returned, as main does then. After
// that it records nothing, and nothing that it sends arrives.
type process struct {
	seat   *seat
	name   string
	timing Timing // by the bubble's clock
	link   *link
	leads  func() bool
	held   func() []int // the shards it holds
	start  func(context.Context) error
	step   func(context.Context) error // StepDown
	lines  atomic.Int64                // logged since they were last counted
	ctx    context.Context             //nolint:containedctx // start's, for stop
	cancel context.CancelFunc
	exit   chan struct{} // closed when it has ended

	mu      sync.Mutex // guards all below, and is held while an event is recorded
	gone    bool
	rest    time.Duration // until the replica's next process starts
	code    int32         // what it has ended with
	hog     bool          // its work will not end
	stuck   bool          // its work ignores its context and goes on
	mid     bool          // its work is between its look at the term and its write
	drained time.Duration // how long its work took to end at most
	slow    bool          // its work or its requests may take too long, because it was frozen or ignores its context
}

func newProcess(s *seat, n int) *process {
	p := &process{
		seat: s, name: fmt.Sprintf("%s#%d", s.Name, n), timing: s.on(s.Timings[n%len(s.Timings)]),
		exit: make(chan struct{}), rest: s.w.plan.Timing.RetryPeriod,
	}
	p.link = newLink(s.w.server.Client(p.name), s.w, s.Plain)
	p.ctx, p.cancel = context.WithCancel(klog.NewContext(context.Background(), logr.Discard()))
	s.w.build(p)
	return p
}

// contend makes the process a candidate for the one Lease.
func (p *process) contend() {
	if p.seat.Plain {
		p.clientGo()
	} else {
		p.elector()
	}
}

// identity returns the process's name in the Lease.
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
		ReleaseOnCancel: p.seat.Release, DrainTimeout: p.seat.w.plan.drainTimeout(),
	}
	e, err := boot(p.seat, &config, func() (*elector.Elector, error) {
		return elector.New(&config, p.link, elector.Callbacks{
			OnStartedLeading: func(ctx context.Context) {
				term, _ := elector.TermFromContext(ctx)
				p.work(ctx, term.Token, func() bool { return term.Remaining() > 0 })
			},
			OnStoppedLeading: p.stopped,
		}, slog.New(lineCounter{&p.lines}))
	})
	if err != nil {
		panic(err) // a plan that cannot be
	}
	p.leads, p.start, p.step = e.IsLeader, e.Start, e.StepDown
	if p.seat.Serve > 0 {
		p.seat.w.group.Go(func() { p.serve(e.Term) })
	}
}

// image guards the source of uuid's random numbers, and the environment.
var image sync.Mutex

// boot returns what is made in the replica's container, if it has one. Those of one clone, if that is not 0, draw the
// same random numbers, since they begin with the same memory, like processes in a virtual machine that was copied.
func boot[T any](s *seat, c *elector.Config, create func() (T, error)) (made T, err error) {
	image.Lock()
	defer image.Unlock()
	if s.Clone != 0 {
		uuid.SetRand(mathrand.NewChaCha8([32]byte{byte(s.Clone)}))
		defer uuid.SetRand(nil)
	}
	if k := s.kubelet; k != nil {
		var env map[string]string
		c.CrashDetection, env = k.boot(s.w.plan.Grace)
		for name, value := range env {
			if err := os.Setenv(name, value); err != nil {
				return made, err
			}
		}
	}
	return create()
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
	p.step = func(context.Context) error {
		p.stop()
		return elector.ErrNotReleased
	}
}

// run runs the process until it ends.
func (p *process) run() {
	err := p.start(p.ctx)
	if err != nil && !p.expected(err) {
		p.wrong("start", "Start returned "+err.Error())
	}
	p.end(err)
}

// wrong records a violation by the process, if it is there.
func (p *process) wrong(invariant, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone {
		p.seat.w.wrong(history.Violation{Invariant: invariant, At: time.Since(p.seat.w.began), Replica: p.name, What: what})
	}
}

// expected reports whether there is a reason for the error that Start has returned.
func (p *process) expected(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case errors.Is(err, elector.ErrDrainTimeout):
		// In a voluntary end work may take longer than it can if the Lease is lost meanwhile.
		return p.slow || p.stuck || p.drained > p.timing.LeaseDuration-p.timing.RenewDeadline
	case errors.Is(err, elector.ErrRequestHung):
		return p.link.wasDeaf() || p.slow
	}
	return errors.Is(err, elector.ErrNotReleased)
}

// end ends the process, as its elector has returned.
func (p *process) end(err error) {
	p.link.gate()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLocked(err)
}

// kill ends the process at once, also when it is frozen.
func (p *process) kill(down time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest = down
	p.endLocked(errKilled)
}

var errKilled = errors.New("killed")

func (p *process) endLocked(err error) {
	if p.gone {
		return
	}
	e := history.Event{Replica: p.name, Kind: history.ProcessEnded, OK: err == nil}
	if err != nil {
		e.Note = err.Error()
	}
	p.seat.w.log.Add(e)
	p.gone = true
	switch {
	case err == errKilled: //nolint:errorlint // it is never wrapped
		p.code = 137
	case err != nil:
		p.code = 1
	}
	p.link.cut()
	p.cancel()
	close(p.exit)
}

// stop does what a SIGTERM does.
func (p *process) stop() {
	p.record(history.Event{Kind: history.ProcessTold})
	p.cancel()
}

// stepDown calls StepDown. What it returns to a frozen process may be out of date when that wakes up.
func (p *process) stepDown() {
	if err := p.step(p.ctx); !p.link.isFrozen() {
		p.record(history.Event{Kind: history.SteppedDown, OK: err == nil})
	}
}

// tell records an event on behalf of the process itself. While that is frozen it waits.
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
