// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"context"
	"sync"

	"k8s.io/client-go/util/connrotation"
)

// connections are those of one lease client. Electors may share it. The last one that ends closes them, idle or not. A
// request that comes later opens others.
type connections struct {
	tracker *connrotation.ConnectionTracker

	mu    sync.Mutex // guards users
	users int        // Electors that have sent a request
}

func newConnections() *connections {
	return &connections{tracker: connrotation.NewConnectionTracker()}
}

// dialing returns dial with its connections kept.
func (c *connections) dialing(dial connrotation.DialFunc) connrotation.DialFunc {
	return connrotation.NewDialerWithTracker(dial, c.tracker).DialContext
}

// usedFor notes the Elector that sends the request of ctx.
func (c *connections) usedFor(ctx context.Context) {
	u, ok := ctx.Value(usageKey{}).(*Usage)
	if c == nil || !ok || !u.first(c) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users++
}

func (c *connections) giveUp() {
	c.mu.Lock()
	c.users--
	unused := c.users == 0
	c.mu.Unlock()
	if unused {
		c.tracker.CloseAll()
	}
}

// A Usage is what one Elector has used. It travels in the contexts of its requests, as the caller's wrappers may hide
// the transport below them.
type Usage struct {
	mu   sync.Mutex // guards used
	used map[*connections]bool
}

type usageKey struct{}

// In returns a context for requests that count as use.
func (u *Usage) In(ctx context.Context) context.Context {
	return context.WithValue(ctx, usageKey{}, u)
}

// first reports whether c is used for the first time.
func (u *Usage) first(c *connections) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.used[c] {
		return false
	}
	if u.used == nil {
		u.used = map[*connections]bool{}
	}
	u.used[c] = true
	return true
}

// End closes the connections that no other Elector uses.
func (u *Usage) End() {
	u.mu.Lock()
	used := u.used
	u.used = nil
	u.mu.Unlock()
	for c := range used {
		c.giveUp()
	}
}
