// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kube-elector/elector/elector/internal/wait"
)

// ErrHung is in the error of a request that ignores its context and still goes on.
var ErrHung = errors.New("a request to the API server ignores its context")

// maxHung is how many requests of one verb may go on although they were given up. While there are as many, new ones of
// that verb fail at once. Watches that hang must not keep a leader from renewing.
const maxHung = 8

// An Asker makes requests, each bounded in time. It may be used concurrently.
type Asker struct {
	attempt  time.Duration // bounds one request
	late     error         // the cause of that end
	requests *requests
}

// NewAsker returns an Asker for requests that take no longer than attempt each.
func NewAsker(attempt, renewDeadline time.Duration) *Asker {
	return &Asker{attempt: attempt, late: LateError(attempt), requests: newRequests(renewDeadline)}
}

// Close waits for requests that are under way, d at most, and returns an error that is [ErrHung] and cause if some go
// on. Late replies are of no interest any more.
func (a *Asker) Close(d time.Duration, cause error) error { return a.requests.close(d, cause) }

// Hurry makes every request be given up as soon as its context has ended. It must be called once at most.
func (a *Asker) Hurry() { close(a.requests.hurry) }

// Ask makes one request, which errors name what. It returns an error that is [ErrHung] if the request ignores the end
// of its context.
func Ask[T any](ctx context.Context, a *Asker, what string, request func(context.Context) (T, error)) (T, error) {
	return askIn(ctx, a, new(call), what, request)
}

func askIn[T any](ctx context.Context, a *Asker, c *call, what string, request func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(c.in(ctx), a.attempt, a.late)
	defer cancel()
	value, err := ask(ctx, a.requests, what, request, nil)
	return value, c.failure(ctx, err)
}

// requests makes every request to the API server in a goroutine of its own. A token source, an exec plugin or a
// transport wrapper may ignore the request's context, and none of them may keep a term, a drain or Start waiting.
type requests struct {
	grace time.Duration // how long a request may take to return after its context's end
	hurry chan struct{} // closed when it has no such time

	running sync.WaitGroup
	mu      sync.Mutex     // guards all below
	hung    map[string]int // requests of each verb that were given up and go on; nil before the first
	closed  bool           // nobody wants late replies any more
}

func newRequests(renewDeadline time.Duration) *requests {
	return &requests{grace: min(renewDeadline/20, 100*time.Millisecond), hurry: make(chan struct{})}
}

// hungError is the error of a request that was given up.
type hungError struct {
	what  string
	n     int
	cause error
}

func (h *hungError) Error() string {
	return fmt.Sprintf("%v: %s (%d such requests go on; look at the token source, exec plugin or transport wrapper): %v",
		ErrHung, h.what, h.n, h.cause)
}

func (h *hungError) Unwrap() []error { return []error{ErrHung, h.cause} }

// ask returns what call returns. If call goes on after the end of ctx, ask gives it up and returns an error that is
// ErrHung. A value that it returns later goes to late, if that is not nil; nobody wants it once Start has ended.
func ask[T any](ctx context.Context, r *requests, what string, call func(context.Context) (T, error), late func(value T, wanted bool)) (T, error) {
	var none T
	if err := r.check(what); err != nil {
		return none, err
	}
	type result struct {
		value T
		err   error
	}
	results, givenUp := make(chan result), make(chan struct{})
	r.running.Go(func() {
		value, err := call(ctx)
		select {
		case results <- result{value, err}:
			return
		case <-givenUp:
		}
		if wanted := r.returned(what); err == nil && late != nil {
			late(value, wanted)
		}
	})
	select {
	case got := <-results:
		return got.value, got.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(r.grace)
	defer timer.Stop()
	select {
	case got := <-results:
		return got.value, got.err
	case <-timer.C:
	case <-r.hurry:
	}
	defer close(givenUp)
	return none, r.giveUp(what, context.Cause(ctx))
}

// check returns an error if too many requests hang for another one to be made.
func (r *requests) check(what string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hung[what] < maxHung {
		return nil
	}
	return &hungError{what, r.hung[what], errors.New("not sent")}
}

func (r *requests) giveUp(what string, cause error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hung == nil {
		r.hung = map[string]int{}
	}
	r.hung[what]++
	return &hungError{what, r.hung[what], cause}
}

// returned takes in that a request which was given up has ended after all.
func (r *requests) returned(what string) (wanted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hung[what]--; r.hung[what] == 0 {
		delete(r.hung, what)
	}
	return !r.closed
}

// close waits for what still runs, d at most, and returns an error if something goes on. cause is why nobody waits any
// longer. Late replies are of no interest any more.
func (r *requests) close(d time.Duration, cause error) error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	if wait.For(&r.running, d) {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.hung) == 0 {
		return nil
	}
	n := 0
	for _, hung := range r.hung {
		n += hung
	}
	return &hungError{strings.Join(slices.Sorted(maps.Keys(r.hung)), ", "), n, cause}
}
