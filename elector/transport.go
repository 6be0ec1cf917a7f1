// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"net/http"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// How many requests may be without an answer at once: fewer than the 25 idle
// connections that client-go keeps, or some would be closed after each request
// and opened anew for the next one. Watches have turns of their own, and few:
// each needs a new connection, which takes an API server longer than a renewal.
const (
	maxRequests = 20
	maxWatches  = 2
)

// leaseTransport makes every call one attempt, and has calls wait for their turn.
type leaseTransport struct {
	next              http.RoundTripper
	requests, watches turns
}

func newLeaseTransport(next http.RoundTripper) *leaseTransport {
	return &leaseTransport{next, make(turns, maxRequests), make(turns, maxWatches)}
}

// RoundTrip implements http.RoundTripper. It returns when the answer begins, so
// that a watch which is open takes nobody's turn.
func (t *leaseTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	turns := t.requests
	if r.URL.Query().Has("watch") {
		turns = t.watches
	}
	if err := turns.take(r.Context()); err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // as every RoundTripper must
		}
		return nil, err
	}
	defer turns.giveBack()
	response, err := t.next.RoundTrip(r)
	if err != nil {
		utilnet.CloseIdleConnectionsFor(t.next)
		return nil, err
	}
	// client-go would sleep, in this call and up to ten times.
	response.Header.Del("Retry-After")
	return response, nil
}

// WrappedRoundTripper lets client-go find the transport below.
func (t *leaseTransport) WrappedRoundTripper() http.RoundTripper { return t.next }

// turns bounds how many go on at once. The first to come is the first to go.
type turns chan struct{}

func (t turns) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t turns) giveBack() { <-t }
