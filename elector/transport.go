// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// How many requests may be without an answer at once: fewer than the 25 idle
// connections that client-go keeps, or some would be closed after each request
// and opened anew for the next one. Watches have turns of their own, and few:
// each may need a new connection, which takes an API server longer than a renewal.
const (
	maxRequests = 20
	maxWatches  = 2
)

// avoidance is for how long requests go apart after one got no answer. By then
// client-go has closed a dead HTTP/2 connection: it asks after 30 s without a
// word, and waits 15 s for an answer.
const avoidance = time.Minute

// leaseTransport makes every call one attempt, and has calls wait for their turn.
//
// Watches share HTTP/2 connections, and requests go along with them: a claim
// needs no new connection, and a leader has one in all. But a connection that
// dies silently takes all that shares it along. So it is trusted only while
// watches keep telling things; otherwise requests go apart, by HTTP/1.1.
type leaseTransport struct {
	shared            http.RoundTripper
	makeApart         func() (http.RoundTripper, error) // nil if there is only the shared one
	silence           time.Duration                     // how long an open watch may say nothing
	requests, watches turns
	connections       *connections // nil if they are not kept

	mu      sync.Mutex // guards all below
	open    int        // watches
	heard   time.Duration
	avoided time.Duration     // until then, if not 0
	apart   http.RoundTripper // nil until it is needed: most candidates never do
}

func newLeaseTransport(shared http.RoundTripper, makeApart func() (http.RoundTripper, error), silence time.Duration) *leaseTransport {
	return &leaseTransport{
		shared: shared, makeApart: makeApart, silence: silence,
		requests: make(turns, maxRequests), watches: make(turns, maxWatches),
	}
}

// RoundTrip implements http.RoundTripper. It returns when the answer begins, so
// that a watch which is open takes nobody's turn.
func (t *leaseTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	watch, turns := r.URL.Query().Has("watch"), t.requests
	if watch {
		turns = t.watches
	}
	if err := turns.take(r.Context()); err != nil {
		closeBody(r)
		return nil, err
	}
	defer turns.giveBack()
	t.connections.usedFor(r.Context())
	var response *http.Response
	var err error
	if watch || t.makeApart == nil || t.trusted() {
		response, err = t.roundTripShared(r, watch)
	} else {
		response, err = t.roundTripApart(r)
	}
	if err != nil {
		return nil, err
	}
	// client-go would sleep, in this call and up to ten times.
	response.Header.Del("Retry-After")
	return response, nil
}

func (t *leaseTransport) roundTripShared(r *http.Request, watch bool) (*http.Response, error) {
	response, err := t.shared.RoundTrip(r)
	if err != nil {
		t.failed()
		return nil, err
	}
	response.Body = t.listen(response.Body, watch)
	return response, nil
}

func (t *leaseTransport) roundTripApart(r *http.Request) (*http.Response, error) {
	apart, err := t.transportApart()
	if err != nil {
		closeBody(r)
		return nil, err
	}
	response, err := apart.RoundTrip(r)
	if err != nil {
		utilnet.CloseIdleConnectionsFor(apart) // or the next attempt may meet another dead one
	}
	return response, err
}

// transportApart makes it at the first call. If that fails the next one tries
// again: a file that it is made of may just be about to be replaced.
func (t *leaseTransport) transportApart() (http.RoundTripper, error) {
	t.mu.Lock()
	apart := t.apart
	t.mu.Unlock()
	if apart != nil {
		return apart, nil
	}
	apart, err := t.makeApart()
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.apart == nil {
		t.apart = apart
	}
	return t.apart, nil
}

// closeBody is what every RoundTripper must do, also if it sends nothing.
func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// trusted reports whether a request may go by a connection that it shares with
// watches. Where none is open there is none yet, or it was used just now.
func (t *leaseTransport) trusted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := now().mono
	return (t.avoided == 0 || m >= t.avoided) && (t.open == 0 || m-t.heard < t.silence)
}

// failed has the next attempts not meet the same dead connection.
func (t *leaseTransport) failed() {
	t.mu.Lock()
	t.avoided = now().mono + avoidance
	t.mu.Unlock()
	utilnet.CloseIdleConnectionsFor(t.shared)
}

func (t *leaseTransport) hear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heard = now().mono
}

// WrappedRoundTripper lets client-go find the transport below.
func (t *leaseTransport) WrappedRoundTripper() http.RoundTripper { return t.shared }

// listen is the body of an answer that comes by a shared connection.
func (t *leaseTransport) listen(body io.ReadCloser, watch bool) io.ReadCloser {
	t.hear()
	if watch {
		t.opened(1)
	}
	return &sharedBody{ReadCloser: body, transport: t, watch: watch}
}

func (t *leaseTransport) opened(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open += n
}

// sharedBody tells the transport of what comes, and of what does not.
type sharedBody struct {
	io.ReadCloser
	transport *leaseTransport
	watch     bool
	closed    sync.Once
}

func (b *sharedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case n > 0:
		b.transport.hear()
	case err != nil && !errors.Is(err, io.EOF) && !b.watch: // a watch is ended like this, too
		b.transport.failed()
	}
	return n, err
}

func (b *sharedBody) Close() error {
	if b.watch {
		b.closed.Do(func() { b.transport.opened(-1) })
	}
	return b.ReadCloser.Close()
}

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
