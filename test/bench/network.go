// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/connrotation"
)

// link is one candidate's way to the API server. It counts what goes through, and can be severed. From then on nothing
// arrives in either direction and neither end notices, as on a network that loses every packet.
type link struct {
	severed atomic.Bool

	conns     *connrotation.ConnectionTracker
	closed    chan struct{}
	closeOnce sync.Once

	mu       sync.Mutex     // guards all below
	requests map[string]int // by verb
	acked    time.Time      // when the last write that was acknowledged was sent
}

func newLink() *link {
	return &link{conns: connrotation.NewConnectionTracker(), closed: make(chan struct{}), requests: map[string]int{}}
}

// config returns a copy of cfg that goes through the link. A Dial of its own gives it connections of its own.
func (l *link) config(cfg *rest.Config) *rest.Config {
	own := rest.CopyConfig(cfg)
	own.Dial = l.dial
	own.Wrap(func(next http.RoundTripper) http.RoundTripper { return &countingTransport{next, l} })
	return own
}

// sever cuts the candidate off for good.
func (l *link) sever() { l.severed.Store(true) }

// close ends all connections, and all attempts to open one.
func (l *link) close() {
	l.closeOnce.Do(func() { close(l.closed) })
	l.conns.CloseAll()
}

// traffic is the number of requests that went through a link, by verb.
type traffic map[string]int

func (l *link) traffic() traffic {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.requests)
}

func (l *link) lastAcked() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked
}

var errLinkClosed = errors.New("the link is closed")

func (l *link) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if l.severed.Load() {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-l.closed:
		}
	}
	dialer := &net.Dialer{Timeout: 30 * time.Second}
	inner, err := connrotation.NewDialerWithTracker(dialer.DialContext, l.conns).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	select {
	case <-l.closed: // perhaps before the tracker knew the connection
		return nil, errors.Join(errLinkClosed, inner.Close())
	default:
		return &linkConn{inner, l}, nil
	}
}

type linkConn struct {
	net.Conn
	link *link
}

func (c *linkConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if !c.link.severed.Load() {
			return n, err
		}
		if err != nil {
			return 0, err
		}
	}
}

func (c *linkConn) Write(p []byte) (int, error) {
	if c.link.severed.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// countingTransport counts requests and remembers acknowledged writes.
type countingTransport struct {
	next http.RoundTripper
	link *link
}

// WrappedRoundTripper lets client-go find the transport below, and close its connections.
func (t *countingTransport) WrappedRoundTripper() http.RoundTripper { return t.next }

func (t *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	verb := r.Method
	if r.URL.Query().Has("watch") {
		verb = "WATCH"
	}
	t.link.mu.Lock()
	t.link.requests[verb]++
	t.link.mu.Unlock()
	sent := time.Now()
	response, err := t.next.RoundTrip(r)
	if err == nil && r.Method != http.MethodGet && response.StatusCode < 300 {
		t.link.mu.Lock()
		t.link.acked = sent
		t.link.mu.Unlock()
	}
	return response, err
}
