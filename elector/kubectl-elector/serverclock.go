// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// A serverClock tells the time of the API server, by the Date of its replies. The times in Leases come from machines of
// the cluster. Those are mostly in step with the API server's, while the clock of somebody's laptop may be minutes off.
type serverClock struct {
	mu     sync.Mutex // guards all below
	offset time.Duration
}

// now returns the API server's time, or this machine's if they do not differ visibly.
func (c *serverClock) now() time.Time { return time.Now().Add(c.ahead()) }

// ahead returns how far the API server's clock is ahead of this machine's, 0 if they may agree.
func (c *serverClock) ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}

// read takes in the Date of a reply to a request that was sent and answered at these times. The Date has whole seconds,
// and is from some instant between the two.
func (c *serverClock) read(date string, sent, answered time.Time) {
	t, err := http.ParseTime(date)
	if err != nil {
		return
	}
	var offset time.Duration
	switch {
	case t.After(answered):
		offset = t.Sub(answered)
	case t.Add(time.Second).Before(sent):
		offset = t.Add(time.Second).Sub(sent)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset = offset
}

// watch makes the clock read all replies to the config's clients.
func (c *serverClock) watch(config *rest.Config) {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &dated{next, c} })
}

type dated struct {
	next  http.RoundTripper
	clock *serverClock
}

// RoundTrip implements http.RoundTripper.
func (d *dated) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	reply, err := d.next.RoundTrip(r)
	if err == nil {
		d.clock.read(reply.Header.Get("Date"), sent, time.Now())
	}
	return reply, err
}

// WrappedRoundTripper lets client-go find what it wraps.
func (d *dated) WrappedRoundTripper() http.RoundTripper { return d.next }
