// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// How many requests may be without an answer at once: fewer than the 25 idle connections that client-go keeps, or some
// would be closed after each request and opened again for the next one. Watches have turns of their own, and few: each
// may need a new connection, which takes an API server longer than a renewal.
const (
	maxRequests = 20
	maxWatches  = 2
)

// avoidance is for how long requests go apart after one got no answer. By then client-go has closed a dead HTTP/2
// connection: it asks after 30 s without a word, and waits 15 s for an answer.
const avoidance = time.Minute

// leaseTransport makes every call one attempt, and makes calls wait for their turn.
//
// Watches share HTTP/2 connections, and requests go along with them: a claim needs no new connection, and a leader has
// one in all. But a connection that dies silently takes everything that shares it along. So requests go apart, by
// HTTP/1.1, when their caller asks for it because its watch is silent, and for a while after a request that got no
// answer.
type leaseTransport struct {
	shared            http.RoundTripper
	makeApart         func() (http.RoundTripper, error) // nil if there is only the shared one
	requests, watches turns
	connections       *connections // nil if they are not kept

	mu      sync.Mutex        // guards all below
	avoided time.Duration     // until then, if not 0
	apart   http.RoundTripper // nil until it is needed: most candidates never do
}

func newLeaseTransport(shared http.RoundTripper, makeApart func() (http.RoundTripper, error)) *leaseTransport {
	return &leaseTransport{
		shared: shared, makeApart: makeApart,
		requests: make(turns, maxRequests), watches: make(turns, maxWatches),
	}
}

// RoundTrip implements http.RoundTripper. It returns when the answer begins, so that a watch which is open takes
// nobody's turn.
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
	call := callOf(r.Context())
	var response *http.Response
	var err error
	if watch || t.makeApart == nil || !call.apart && t.trusted() {
		response, err = t.roundTripShared(r, watch)
	} else {
		response, err = t.roundTripApart(r)
	}
	if err != nil {
		return nil, err
	}
	call.hide(response)
	return response, nil
}

func (t *leaseTransport) roundTripShared(r *http.Request, watch bool) (*http.Response, error) {
	response, err := t.shared.RoundTrip(r)
	if err != nil {
		t.failed(r.Context())
		return nil, err
	}
	if !watch { // a watch ends by an error, too
		response.Body = &sharedBody{ReadCloser: response.Body, transport: t, request: r.Context()}
	}
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
		closeIdle(apart) // or the next attempt may meet another dead one
	}
	return response, err
}

// transportApart makes it at the first call. If that fails the next one tries again: a file that it is made of may just
// be about to be replaced.
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

// closeIdle closes the idle connections of the transport at the bottom of r, if it can. Unlike client-go's function for
// it, it says nothing of a caller's own transport that cannot.
func closeIdle(r http.RoundTripper) {
	for {
		switch t := r.(type) {
		case interface{ CloseIdleConnections() }:
			t.CloseIdleConnections()
			return
		case utilnet.RoundTripperWrapper:
			r = t.WrappedRoundTripper()
		default:
			return
		}
	}
}

// closeBody does what every RoundTripper must do, even if it sends nothing.
func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// trusted reports whether a request may go by a connection that it shares with watches.
func (t *leaseTransport) trusted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.avoided == 0 || Now().Mono >= t.avoided
}

// failed keeps the next attempts from meeting the same dead connection, unless request got no answer because its caller
// no longer wanted one.
func (t *leaseTransport) failed(request context.Context) {
	if abandoned(request) {
		return
	}
	t.mu.Lock()
	t.avoided = Now().Mono + avoidance
	t.mu.Unlock()
	closeIdle(t.shared)
}

// abandoned reports whether ctx was cancelled for another reason than that its time had passed.
func abandoned(ctx context.Context) bool {
	return errors.Is(ctx.Err(), context.Canceled) && !errors.As(context.Cause(ctx), new(LateError))
}

// WrappedRoundTripper lets client-go find the transport below.
func (t *leaseTransport) WrappedRoundTripper() http.RoundTripper { return t.shared }

// sharedBody is the body of an answer that comes by a shared connection. It tells the transport when the rest of it
// does not come.
type sharedBody struct {
	io.ReadCloser
	transport *leaseTransport
	request   context.Context
}

func (b *sharedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.transport.failed(b.request)
	}
	return n, err
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
