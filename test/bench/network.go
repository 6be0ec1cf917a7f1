// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/connrotation"

	"github.com/kube-elector/elector/test/harness"
)

// link is one candidate's way to the API server. It counts what goes through. With a proxy it can be severed: from then
// on nothing arrives in either direction and neither end notices, as on a network that loses every packet.
type link struct {
	conns *connrotation.ConnectionTracker
	proxy *harness.Link // nil if the way is direct

	severed bool // belongs to the goroutine that severs

	mu       sync.Mutex     // guards all below
	requests map[string]int // by verb
	acked    time.Time      // when the last write that was acknowledged was sent
}

func newLink() *link {
	return &link{conns: connrotation.NewConnectionTracker(), requests: map[string]int{}}
}

// config returns a copy of cfg that goes through the link. A Dial of its own gives it connections of its own.
func (l *link) config(cfg *rest.Config) *rest.Config {
	own := rest.CopyConfig(cfg)
	own.Dial = connrotation.NewDialerWithTracker((&net.Dialer{Timeout: 30 * time.Second}).DialContext, l.conns).DialContext
	own.Wrap(func(next http.RoundTripper) http.RoundTripper { return &countingTransport{next, l} })
	if l.proxy != nil {
		scheme, _, _ := strings.Cut(cfg.Host, "://")
		own.Host = scheme + "://" + l.proxy.Address
	}
	return own
}

// sever cuts the candidate off for good.
func (l *link) sever() {
	l.severed = true
	l.proxy.Set(harness.Weather{LoseRequests: true, LoseReplies: true})
}

// close ends all connections. With a proxy no others can be opened.
func (l *link) close() {
	if l.proxy != nil {
		_ = l.proxy.Close() // It only ever fails to listen.
	}
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

// countingTransport counts requests and remembers acknowledged writes.
type countingTransport struct {
	next http.RoundTripper
	link *link
}

// WrappedRoundTripper lets client-go find the transport below, and close its connections.
func (t *countingTransport) WrappedRoundTripper() http.RoundTripper { return t.next }

func (t *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.link.mu.Lock()
	t.link.requests[harness.VerbOf(r)]++
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
