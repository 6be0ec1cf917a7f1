// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"encoding/json"
	"maps"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/harness"
)

// reporter reports what a replica does. Its methods may be called concurrently.
type reporter struct {
	// hangs makes requests about the Lease hang for good, whatever becomes of their contexts, as a token source or an exec
	// plugin does.
	hangs atomic.Bool

	mu       sync.Mutex // guards all below
	out      *json.Encoder
	ready    bool
	requests map[string]int
	longest  time.Duration
}

// report writes an event, as of now unless it says otherwise.
func (r *reporter) report(e event.Event) {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.out.Encode(e) // Standard output has gone, and standard input with it.
}

func (r *reporter) usage() {
	r.mu.Lock()
	u := &event.Usage{
		Requests: maps.Clone(r.requests), Longest: r.longest, Goroutines: runtime.NumGoroutine(), Files: harness.OpenFiles(),
	}
	r.mu.Unlock()
	r.report(event.Event{Kind: event.Counts, Usage: u})
}

// counting counts the requests about Leases.
func (r *reporter) counting(next http.RoundTripper) http.RoundTripper {
	return &countingTransport{next, r}
}

type countingTransport struct {
	next     http.RoundTripper
	reporter *reporter
}

// WrappedRoundTripper lets client-go find the transport below, and close its connections.
func (t *countingTransport) WrappedRoundTripper() http.RoundTripper { return t.next }

func (t *countingTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	if !strings.Contains(request.URL.Path, "/leases") {
		return t.next.RoundTrip(request)
	}
	verb := harness.VerbOf(request)
	watch := verb == harness.WatchVerb
	r := t.reporter
	if r.hangs.Load() {
		select {}
	}
	r.mu.Lock()
	r.requests[verb]++
	r.mu.Unlock()
	sent := time.Now()
	response, err := t.next.RoundTrip(request)
	r.mu.Lock()
	if !watch {
		r.longest = max(r.longest, time.Since(sent))
	}
	first := !r.ready && err == nil && (response.StatusCode < 300 || response.StatusCode == http.StatusNotFound)
	r.ready = r.ready || first
	r.mu.Unlock()
	if first {
		r.report(event.Event{Kind: event.Ready})
	}
	return response, err
}
