// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

// under returns how many plain requests and watches the server has not answered.
func (s *slowServer) under() [2]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return [2]int{s.now[""], s.now["watch=true"]}
}

// A thousand Electors that begin at once on one clientset must not keep an API server so busy with new connections that
// it answers none in time.
func TestRequestsWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &slowServer{now: map[string]int{}, answer: make(chan struct{})}
		transport := newLeaseTransport(server, only(server))
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
		transport := newLeaseTransport(server, only(server))
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
