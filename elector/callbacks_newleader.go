// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"runtime/debug"
	"sync"
)

// announcer calls OnNewLeader, one call at a time and in order. It keeps only the latest leader that has not been
// announced, so a slow callback costs no memory.
type announcer struct {
	call func(identity string)
	wake chan struct{} // holds one: there is something to announce; nil if nobody wants to know

	mu      sync.Mutex // guards all below
	broken  error      // a call has panicked, or has ended its goroutine
	leader  string     // who leads, "" while nobody does
	latest  string     // who led last, or still leads
	pending bool       // latest has not been announced
}

func newAnnouncer(call func(identity string)) *announcer {
	a := &announcer{call: call}
	if call != nil {
		a.wake = make(chan struct{}, 1)
	}
	return a
}

// tell takes in who leads now, and reports whether that is another than before. It is given a function so that no two
// callers can tell in the wrong order.
func (a *announcer) tell(leader func() string) (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	identity := leader()
	if identity == a.leader {
		return identity, false
	}
	a.leader = identity
	if identity == "" {
		return identity, true // the one before may still have to be announced
	}
	a.latest, a.pending = identity, true
	select {
	case a.wake <- struct{}{}:
	default:
	}
	return identity, true
}

// run announces until ctx ends. If a call panics or ends this goroutine there are no more, and run calls broke.
func (a *announcer) run(ctx context.Context, broke func()) {
	if a.call == nil {
		return
	}
	const callback = "OnNewLeader"
	broken := goexitError(callback) // unless something else is known
	defer func() {
		if v := recover(); v != nil {
			broken = &panicError{callback: callback, value: v, stack: debug.Stack()}
		}
		if broken != nil {
			a.mu.Lock()
			a.broken = broken
			a.mu.Unlock()
			broke()
		}
	}()
	a.announce(ctx)
	broken = nil
}

func (a *announcer) announce(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.wake:
		}
		a.mu.Lock()
		identity, pending := a.latest, a.pending
		a.pending = false
		a.mu.Unlock()
		if pending {
			a.call(identity)
		}
	}
}

// failure returns why there are no more calls before the end of run, nil if they go on.
func (a *announcer) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.broken
}
