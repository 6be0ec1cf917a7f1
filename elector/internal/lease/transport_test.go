// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"
)

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

// cable is a connection, or none: it answers, fails, or hangs.
type cable struct {
	requests int
	dead     bool // nothing comes
	halfDead bool // no more than the beginning of an answer comes
	// hangs and hangsLater: nothing comes, not even an error, or nothing after the beginning of an answer.
	hangs, hangsLater bool
}

var errDead = errors.New("no answer")

func (l *cable) RoundTrip(r *http.Request) (*http.Response, error) {
	l.requests++
	if l.dead {
		return nil, errDead
	}
	if l.hangs {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}
	switch {
	case l.halfDead:
		answer.Body = io.NopCloser(iotest.ErrReader(errDead))
	case l.hangsLater:
		answer.Body = io.NopCloser(readerFunc(func([]byte) (int, error) {
			<-r.Context().Done()
			return 0, r.Context().Err()
		}))
	}
	return answer, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// cables are a transport and what its requests go by.
type cables struct {
	*leaseTransport
	t             *testing.T
	shared, apart cable
}

func newCables(t *testing.T) *cables {
	l := &cables{t: t}
	l.leaseTransport = newLeaseTransport(&l.shared, only(&l.apart))
	return l
}

// send makes a request and reads its answer.
func (l *cables) send(ctx context.Context, query string) {
	l.t.Helper()
	response, err := l.RoundTrip(request(ctx, l.t, query))
	if err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
}

// expect makes a request and says by which of the two it must go.
func (l *cables) expect(when string, shared, apart int) {
	l.t.Helper()
	l.expectOf(l.t.Context(), when, shared, apart)
}

func (l *cables) expectOf(ctx context.Context, when string, shared, apart int) {
	l.t.Helper()
	l.shared.requests, l.apart.requests = 0, 0
	l.send(ctx, "")
	if l.shared.requests != shared || l.apart.requests != apart {
		l.t.Errorf("%s: %d by the shared connection, %d apart, want %d, %d", when, l.shared.requests, l.apart.requests, shared, apart)
	}
}

func TestARequestWhoseWatchIsSilentGoesApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCables(t)
		l.expect("at first", 1, 0)
		l.expectOf((&call{apart: true}).in(t.Context()), "with a silent watch", 0, 1)
		l.expect("of another candidate", 1, 0)
	})
}

func TestGuarantee12ADeadConnectionCostsOneAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCables(t)
		l.shared.dead = true
		l.expect("the first attempt", 1, 0)
		l.expect("the second", 0, 1)
		l.apart.dead = true
		l.expect("one that fails there, too", 0, 1)
		l.shared.dead, l.apart.dead = false, false
		time.Sleep(avoidance - time.Second)
		l.expect("within a minute", 0, 1)
		time.Sleep(2 * time.Second)
		l.shared.halfDead = true
		l.expect("when it must have been closed", 1, 0)
		l.expect("after the beginning of an answer", 0, 1)
	})
}

func TestOnlyARequestWhoseTimeHasPassedShowsADeadConnection(t *testing.T) {
	late := LateError(time.Second)
	for name, c := range map[string]struct {
		end  func(context.Context) (context.Context, context.CancelFunc)
		dead bool
	}{
		"its caller has gone": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, false},
		"its caller has gone for a reason": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(time.Second, func() { cancel(errors.New("stopped")) })
			return ctx, func() { cancel(nil) }
		}, false},
		"its time has passed": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, time.Second, late)
		}, true},
		"a watch was not accepted in time": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(time.Second, func() { cancel(late) })
			return ctx, func() { cancel(nil) }
		}, true},
	} {
		for part, body := range map[string]bool{"no answer": false, "half an answer": true} {
			for _, query := range []string{"", "watch=true"} {
				t.Run(name+", "+part+", "+query, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						l := newCables(t)
						ctx, cancel := c.end(t.Context())
						defer cancel()
						l.shared.hangs, l.shared.hangsLater = !body, body
						l.send(ctx, query)
						l.shared.hangs, l.shared.hangsLater = false, false
						// The body of a watch ends by an error whenever it is closed.
						if dead := c.dead && !(body && query != ""); dead {
							l.expect("the next request", 0, 1)
						} else {
							l.expect("the next request", 1, 0)
						}
					})
				})
			}
		}
	}
}

func TestATransportOfTheCallersOwnIsTheOnlyOne(t *testing.T) {
	only := &cable{dead: true}
	cfg, err := RESTConfig(&rest.Config{Host: "http://api", Transport: only}, time.Second, time.Second)
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

func TestATransportApartThatCannotBeMadeIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCables(t)
		made, errNotNow := 0, errors.New("the file is being replaced")
		l.makeApart = func() (http.RoundTripper, error) {
			if made++; made == 1 {
				return nil, errNotNow
			}
			return &l.apart, nil
		}
		l.shared.dead = true
		l.expect("the attempt that fails", 1, 0)
		if _, err := l.RoundTrip(request(t.Context(), t, "")); !errors.Is(err, errNotNow) { //nolint:bodyclose // there is none
			t.Errorf("without a transport: %v, want %v", err, errNotNow)
		}
		l.expect("the attempt that can", 0, 1)
		l.expect("the next", 0, 1)
		if made != 2 {
			t.Errorf("%d were made, want 2: one that failed, and one for good", made)
		}
	})
}
