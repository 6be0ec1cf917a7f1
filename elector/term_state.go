// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// term is the state behind a Term. Three things may end separately, in this order: its context (the work is to stop),
// its leadership (IsLeader says no), and its hold on the Lease (nothing is renewed or released any more). When the hold
// is lost first, all three end at once.
type term struct {
	Term
	uid           types.UID
	renewDeadline time.Duration // 0: there is no Lease and no deadline
	whole         *term         // the term that this one is a part of, if any

	ctx    context.Context
	cancel context.CancelCauseFunc
	lost   chan struct{} // closed when the hold on the Lease is lost

	callbacks atomic.Uint64 // the goroutine that they are called by
	asked     atomic.Bool   // to step down, by an annotation on the Lease
	overErr   error         // what went wrong at the end; only Start's goroutine uses it

	mu      sync.Mutex    // guards all below
	sent    lease.Moment  // when the last acknowledged write was sent
	ended   *lease.Moment // when the context ended
	lostAt  *lease.Moment
	retired bool          // the work has ended; only the Lease is still held
	holds   int           // how many Holds are open
	free    chan struct{} // if not nil, closed when none is
}

func newTerm(ctx context.Context, info Term, uid types.UID, renewDeadline time.Duration, sent lease.Moment) *term {
	t := &term{
		Term: info, uid: uid, renewDeadline: renewDeadline, sent: sent,
		lost: make(chan struct{}),
	}
	t.state = t
	var cancel context.CancelCauseFunc
	t.ctx, cancel = context.WithCancelCause(context.WithValue(context.WithoutCancel(ctx), termKey{}, t))
	t.cancel = func(cause error) {
		t.mu.Lock()
		if t.ended == nil {
			m := lease.Now()
			t.ended = &m
		}
		t.mu.Unlock()
		cancel(cause)
	}
	return t
}

// ends returns when the context ended, now if it has not, and when the hold on the Lease was lost, nil if it was not.
func (t *term) ends() (ended lease.Moment, lost *lease.Moment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended == nil {
		return lease.Now(), t.lostAt
	}
	return *t.ended, t.lostAt
}

// held returns how long the Lease is still certain to be ours. If that time has passed, it ends the term.
func (t *term) held() time.Duration {
	t.mu.Lock()
	left := t.heldLocked(lease.Now())
	t.mu.Unlock()
	if t.whole != nil {
		left = min(left, t.whole.remaining())
	}
	if left == 0 {
		t.lose(ErrLeaseExpired)
	}
	return left
}

func (t *term) heldLocked(m lease.Moment) time.Duration {
	switch {
	case t.lostAt != nil:
		return 0
	case t.renewDeadline == 0:
		return math.MaxInt64
	}
	return remaining(m, t.sent, t.renewDeadline)
}

// remaining returns how long leadership, as users see it, is still certain.
func (t *term) remaining() time.Duration {
	t.mu.Lock()
	retired := t.retired
	t.mu.Unlock()
	if retired {
		return 0
	}
	return t.held()
}

// extend extends the term by a write sent at sent that was just acknowledged. An acknowledgement that comes after the
// deadline revives nothing.
func (t *term) extend(sent lease.Moment) {
	t.mu.Lock()
	inTime := t.heldLocked(lease.Now()) > 0
	if inTime {
		t.sent = sent
	}
	t.mu.Unlock()
	if !inTime {
		t.lose(ErrLeaseExpired)
	}
}

// observed ends the term if the Lease is not, or no longer, the one this process wrote.
func (t *term) observed(obs lease.Observation) {
	switch {
	case t.renewDeadline == 0:
	case obs.Lease == nil || obs.Lease.UID != t.uid:
		t.lose(ErrLeaseDeleted)
	case !obs.Ours:
		t.lose(ErrTakenOver)
	}
}

// lose ends the term involuntarily, in all three respects at once.
func (t *term) lose(cause error) {
	t.mu.Lock()
	first := t.lostAt == nil
	if first {
		m := lease.Now()
		t.lostAt = &m
	}
	t.mu.Unlock()
	if first {
		t.cancel(cause)
		close(t.lost)
	}
}

// retire ends leadership as users see it.
func (t *term) retire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retired = true
}

// hold counts one more hold, unless leadership has ended.
func (t *term) hold() bool {
	if t.held() == 0 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.retired || t.lostAt != nil {
		return false
	}
	t.holds++
	return true
}

func (t *term) unhold() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.holds--
	if t.holds == 0 && t.free != nil {
		close(t.free)
		t.free = nil
	}
}

// unheld returns a channel that is closed when no hold is open. It is meant for a retired term, which gets no new ones.
func (t *term) unheld() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.free == nil {
		t.free = make(chan struct{})
	}
	free := t.free
	if t.holds == 0 {
		close(t.free)
		t.free = nil
	}
	return free
}

// openHolds returns how many holds are open.
func (t *term) openHolds() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.holds
}

// lastSent returns when the last acknowledged write was sent.
func (t *term) lastSent() lease.Moment {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent
}

// watchdog ends the term at its deadline, until the term is lost or stop is closed. It looks at the clocks at least
// every tick: its timer stands still while the machine is suspended, the wall clock does not.
func (t *term) watchdog(stop <-chan struct{}, tick time.Duration) {
	timer := time.NewTimer(tick)
	defer timer.Stop()
	for {
		left := t.held()
		if left == 0 {
			return
		}
		timer.Reset(min(left, tick))
		select {
		case <-timer.C:
		case <-t.lost:
			return
		case <-stop:
			return
		}
	}
}
