// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"
)

// slowServer answers no request before it is told to.
type slowServer struct {
	mu     sync.Mutex // guards all below
	now    map[string]int
	answer chan struct{}
}

func (s *slowServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.now[r.URL.RawQuery]++
	s.mu.Unlock()
	<-s.answer
	s.mu.Lock()
	s.now[r.URL.RawQuery]--
	s.mu.Unlock()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
}

// under is how many plain requests and watches the server has not answered.
func (s *slowServer) under() [2]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return [2]int{s.now[""], s.now["watch=true"]}
}

func only(r http.RoundTripper) func() (http.RoundTripper, error) {
	return func() (http.RoundTripper, error) { return r, nil }
}

func request(ctx context.Context, t *testing.T, query string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://api/leases?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A thousand Electors that begin at once on one clientset must not keep an API
// server so busy with new connections that it answers none in time.
func TestRequestsWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &slowServer{now: map[string]int{}, answer: make(chan struct{})}
		transport := newLeaseTransport(server, only(server), time.Second)
		var calls sync.WaitGroup
		call := func(query string) {
			calls.Go(func() {
				response, err := transport.RoundTrip(request(t.Context(), t, query))
				if err != nil {
					t.Error(err)
					return
				}
				_ = response.Body.Close()
			})
		}
		expect := func(when string, want [2]int) {
			t.Helper()
			synctest.Wait()
			if got := server.under(); got != want {
				t.Errorf("%s: %v requests and watches at once, want %v", when, got, want)
			}
		}
		for range 1000 {
			call("watch=true")
		}
		expect("1000 watches", [2]int{0, maxWatches})
		for range 1000 {
			call("")
		}
		expect("and 1000 renewals", [2]int{maxRequests, maxWatches})
		server.answer <- struct{}{}
		expect("after an answer", [2]int{maxRequests, maxWatches})
		for range 1999 {
			server.answer <- struct{}{}
		}
		calls.Wait()
	})
}

func TestWhoWaitsForATurnWaitsNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &slowServer{now: map[string]int{}, answer: make(chan struct{})}
		transport := newLeaseTransport(server, only(server), time.Second)
		var calls sync.WaitGroup
		for i := range maxRequests + maxWatches {
			calls.Go(func() {
				response, err := transport.RoundTrip(request(t.Context(), t, map[bool]string{true: "watch=true"}[i < maxWatches]))
				if err != nil {
					t.Error(err)
					return
				}
				_ = response.Body.Close()
			})
		}
		synctest.Wait()
		gone := errors.New("gone")
		for _, query := range []string{"", "watch=true"} {
			ctx, cancel := context.WithCancelCause(t.Context())
			r := request(ctx, t, query)
			body := &closed{Reader: strings.NewReader("")}
			r.Body = body
			calls.Go(func() {
				response, err := transport.RoundTrip(r)
				if !errors.Is(err, gone) {
					t.Errorf("%q: %v, want the context's cause", query, err)
				}
				if err == nil {
					_ = response.Body.Close()
				}
			})
			synctest.Wait()
			cancel(gone)
			synctest.Wait()
			if !body.is {
				t.Errorf("%q: the body was not closed", query)
			}
		}
		close(server.answer)
		calls.Wait()
		if len(transport.requests)+len(transport.watches) != 0 {
			t.Errorf("turns were not given back: %d, %d", len(transport.requests), len(transport.watches))
		}
	})
}

// closed tells whether it is.
type closed struct {
	io.Reader
	is bool
}

func (c *closed) Close() error {
	c.is = true
	return nil
}

// cable is a connection, or none: it answers, fails, or has a watch say something.
type cable struct {
	requests int
	dead     bool // nothing comes
	halfDead bool // no more than the beginning of an answer comes
	watch    *io.PipeWriter
}

var errDead = errors.New("no answer")

func (l *cable) RoundTrip(r *http.Request) (*http.Response, error) {
	l.requests++
	if l.dead {
		return nil, errDead
	}
	answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}
	switch {
	case r.URL.Query().Has("watch"):
		answer.Body, l.watch = io.Pipe()
	case l.halfDead:
		answer.Body = io.NopCloser(iotest.ErrReader(errDead))
	}
	return answer, nil
}

// cables are a transport and what its requests go by.
type cables struct {
	*leaseTransport
	t             *testing.T
	shared, apart cable
}

func newCables(t *testing.T) *cables {
	l := &cables{t: t}
	l.leaseTransport = newLeaseTransport(&l.shared, only(&l.apart), 5*time.Second)
	return l
}

// open opens a watch, which is read from until it is closed.
func (l *cables) open() io.Closer {
	l.t.Helper()
	response, err := l.RoundTrip(request(l.t.Context(), l.t, "watch=true")) //nolint:bodyclose // the caller closes it
	if err != nil {
		l.t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, response.Body) }()
	return response.Body
}

// expect makes a request and says by which of the two it is to go.
func (l *cables) expect(when string, shared, apart int) {
	l.t.Helper()
	l.shared.requests, l.apart.requests = 0, 0
	response, err := l.RoundTrip(request(l.t.Context(), l.t, ""))
	if err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	if l.shared.requests != shared || l.apart.requests != apart {
		l.t.Errorf("%s: %d by the shared connection, %d apart, want %d, %d", when, l.shared.requests, l.apart.requests, shared, apart)
	}
}

func TestRequestsGoWithTheWatchWhileItTellsThings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCables(t)
		l.expect("at first", 1, 0)
		time.Sleep(time.Hour)
		l.expect("after an hour without a watch", 1, 0)
		watch := l.open()
		time.Sleep(4 * time.Second)
		l.expect("soon after the watch began", 1, 0)
		time.Sleep(6 * time.Second)
		l.expect("long after the last word", 0, 1)
		if _, err := l.shared.watch.Write([]byte("news")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		l.expect("after an event", 1, 0)
		time.Sleep(6 * time.Second)
		l.expect("long after the event", 0, 1)
		_, _ = watch.Close(), watch.Close()
		l.expect("when the watch was closed", 1, 0)
	})
}

func TestGuarantee12ADeadConnectionCostsOneAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCables(t)
		watch := l.open()
		l.shared.dead = true
		l.expect("the first attempt", 1, 0)
		// Another watch, on a connection that lives, proves nothing.
		if _, err := l.shared.watch.Write([]byte("news")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		l.expect("the second", 0, 1)
		l.apart.dead = true
		l.expect("one that fails there, too", 0, 1)
		l.shared.dead, l.apart.dead = false, false
		time.Sleep(avoidance - time.Second)
		l.expect("within a minute", 0, 1)
		time.Sleep(2 * time.Second)
		_ = watch.Close()
		l.shared.halfDead = true
		l.expect("when it must have been closed", 1, 0)
		l.expect("after the beginning of an answer", 0, 1)
	})
}

func TestATransportOfTheCallersOwnIsTheOnlyOne(t *testing.T) {
	only := &cable{dead: true}
	cfg, err := RESTConfig(&rest.Config{Host: "http://api", Transport: only}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		response, err := client.Do(request(t.Context(), t, ""))
		if err == nil {
			_ = response.Body.Close()
		}
		if first := i == 0; errors.Is(err, errDead) != first || only.requests != i+1 {
			t.Errorf("request %d: %v, %d were made", i+1, err, only.requests)
		}
		only.dead = false
	}
}
