// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"sync"
)

// announcer calls OnNewLeader, one call at a time and in order. It keeps only
// the latest leader that has not been announced, so a slow callback costs no
// memory.
type announcer struct {
	call func(identity string)
	wake chan struct{} // holds one: there is something to announce; nil if nobody wants to know

	mu      sync.Mutex // guards all below
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

// tell takes in who leads now, and reports whether that is another than before.
// It is given a function so that no two callers can tell in the wrong order.
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

// run announces until ctx ends.
func (a *announcer) run(ctx context.Context) {
	if a.call == nil {
		return
	}
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
