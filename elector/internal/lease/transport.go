// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
)

// How many requests may be without an answer at once: fewer than the 25 idle connections that client-go keeps, or some
// would be closed after each request and opened again for the next one. Watches have turns of their own, and few: each
// may need a new connection, which takes an API server longer than a renewal.
const (
	maxRequests = 20
	maxWatches  = 2
)

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

// closeBody does what every RoundTripper must do, even if it sends nothing.
func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// WrappedRoundTripper lets client-go find the transport below.
func (t *leaseTransport) WrappedRoundTripper() http.RoundTripper { return t.shared }

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

// RESTConfig returns a copy of cfg for lease traffic, as elector.RESTConfig documents it. Opening a connection may take
// as long as an attempt. keepAlive is the interval of TCP's keep-alive probes.
func RESTConfig(cfg *rest.Config, attempt, keepAlive time.Duration) (*rest.Config, error) {
	own := rest.CopyConfig(cfg)
	own.QPS, own.Burst, own.RateLimiter = -1, 0, nil
	own.Timeout = 0 // it would cut the watch too
	if own.Dial == nil {
		own.Dial = (&net.Dialer{Timeout: attempt, KeepAlive: keepAlive}).DialContext
	}
	// A function of our own in any case, or the transport would be shared with others that dial the same way.
	connections := newConnections()
	own.Dial = connections.dialing(own.Dial)
	apart, err := apartFrom(own)
	if err != nil {
		return nil, fmt.Errorf("rest.Config: %w", err)
	}
	// Below the caller's wrappers, which may hide the connections from it.
	own.WrapTransport = transport.Wrappers(func(shared http.RoundTripper) http.RoundTripper {
		t := newLeaseTransport(shared, apart)
		t.connections = connections
		return t
	}, own.WrapTransport)
	if own.UserAgent == "" {
		own.UserAgent = rest.DefaultKubernetesUserAgent()
	}
	own.UserAgent += "/leader-election"
	return own, nil
}

// apartFrom returns what makes a transport whose connections are as those of cfg, but by HTTP/1.1. Who asks, and how,
// has been added above it. Where the caller brings a transport it returns nil.
func apartFrom(cfg *rest.Config) (func() (http.RoundTripper, error), error) {
	full, err := cfg.TransportConfig()
	if err != nil || full.Transport != nil {
		return nil, err
	}
	tls, dial, proxy, plain := full.TLS, full.DialHolder, full.Proxy, full.DisableCompression
	tls.NextProtos = []string{"http/1.1"}
	return func() (http.RoundTripper, error) {
		return transport.New(&transport.Config{TLS: tls, DialHolder: dial, Proxy: proxy, DisableCompression: plain})
	}, nil
}
