// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/kube-elector/elector/test/harness"
)

// served returns a client that goes through a link with a proxy to a server that counts requests.
func served(t *testing.T) (l *link, put func(context.Context) error, seen *atomic.Int64) {
	t.Helper()
	l, seen = newLink(), &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	t.Cleanup(server.Close)
	var err error
	if l.proxy, err = harness.NewLink(server.Listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	config := l.config(&rest.Config{Host: server.URL})
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return l, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodPut, config.Host, http.NoBody)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		return errors.Join(err, response.Body.Close())
	}, seen
}

func TestLinkCountsWhatGoesThrough(t *testing.T) {
	l, put, _ := served(t)
	before := time.Now()
	for range 3 {
		if err := put(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got := l.traffic()
	if got[http.MethodPut] != 3 {
		t.Errorf("traffic %+v after three PUTs", got)
	}
	if acked := l.lastAcked(); acked.Before(before) || acked.After(time.Now()) {
		t.Errorf("last acknowledged write sent at %v, now %v", acked, time.Now())
	}
}

func TestSeveredLinkIsSilent(t *testing.T) {
	for _, connected := range []bool{true, false} {
		l, put, seen := served(t)
		if connected {
			if err := put(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		before, acked := seen.Load(), l.lastAcked()
		l.sever()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if err := put(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("connected %v: a severed link says %v", connected, err)
		}
		cancel()
		if seen.Load() != before || !l.lastAcked().Equal(acked) {
			t.Errorf("connected %v: a request got through a severed link", connected)
		}
	}
}

func TestClosedLinkOpensNothing(t *testing.T) {
	for _, severed := range []bool{true, false} {
		l, put, _ := served(t)
		if severed {
			l.sever()
		}
		l.close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := put(ctx); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("severed %v: a closed link says %v", severed, err)
		}
		cancel()
	}
}
