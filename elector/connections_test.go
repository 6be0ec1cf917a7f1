// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func TestGuarantee12ALeaseClientHasOneConnection(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) bool {
		if !r.URL.Query().Has("watch") {
			return false
		}
		_ = http.NewResponseController(w).Flush()
		<-over
		return true
	})
	clientset := newClientset(t, s.config())
	mustGet(t, clientset)
	watch, err := clientset.CoordinationV1().Leases("ns").Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	mustGet(t, clientset)
	conns := map[string]bool{}
	for _, r := range s.seen() {
		conns[r.RemoteAddr+" "+r.Proto] = true
	}
	if len(s.seen()) != 3 || len(conns) != 1 {
		t.Errorf("%d requests by %v", len(s.seen()), conns)
	}
}

func TestGuarantee12TheLeaseClientSharesNoConnection(t *testing.T) {
	s := serve(t, nil)
	cfg := s.config()
	cfg.NextProtos = []string{"http/1.1"}
	own, ownAgain := newClientset(t, cfg), newClientset(t, cfg)
	conns := map[string]bool{}
	for _, clientset := range []kubernetes.Interface{own, ownAgain, kubernetes.NewForConfigOrDie(cfg)} {
		mustGet(t, clientset)
		conns[s.last()] = true
	}
	if len(conns) != 3 {
		t.Errorf("3 clientsets have %d connections", len(conns))
	}
	mustGet(t, kubernetes.NewForConfigOrDie(cfg))
	if !conns[s.last()] {
		t.Error("ordinary clientsets share no connection either: nothing was shown")
	}
}

func TestGuarantee12AfterARequestWithoutAnswerTheNextHasAConnectionApart(t *testing.T) {
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/silent") {
			return false
		}
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // An empty reply might reach the client before it has hung up.
	})
	cfg := s.config()
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { // one that hides what is below
		return wrapper(func(r *http.Request) (*http.Response, error) { return next.RoundTrip(r) })
	})
	clientset := newClientset(t, cfg)
	mustGet(t, clientset)
	standing := s.last()
	mustGet(t, clientset)
	if s.last() != standing {
		t.Fatal("no connection is used again: nothing is shown")
	}
	silent := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := clientset.CoordinationV1().Leases("ns").Get(ctx, "silent", metav1.GetOptions{}); err == nil {
			t.Fatal("answered")
		}
	}
	silent()
	mustGet(t, clientset)
	apart := s.last()
	if apart == standing || s.seen()[len(s.seen())-1].Proto != "HTTP/1.1" {
		t.Errorf("went by %s, as before the request without an answer, or not by HTTP/1.1", apart)
	}
	mustGet(t, clientset)
	if s.last() != apart {
		t.Error("has another connection each time")
	}
	silent()
	mustGet(t, clientset)
	if s.last() == apart {
		t.Error("went by a connection from before the second request without an answer")
	}
}

// countedConn calls closed when it is closed.
type countedConn struct {
	net.Conn
	closed func()
}

func (c countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// countConnections makes cfg count the connections that are open.
func countConnections(cfg *rest.Config) (open *atomic.Int32) {
	open = &atomic.Int32{}
	cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		open.Add(1)
		return countedConn{conn, sync.OnceFunc(func() { open.Add(-1) })}, nil
	}
	return open
}

func TestTheLastElectorClosesTheConnections(t *testing.T) {
	for _, protocol := range []string{"h2", "http/1.1"} {
		t.Run(protocol, func(t *testing.T) {
			watching := make(chan struct{}, 2)
			s := serve(t, func(w http.ResponseWriter, r *http.Request) bool {
				if !r.URL.Query().Has("watch") {
					return false
				}
				_ = http.NewResponseController(w).Flush()
				watching <- struct{}{}
				<-r.Context().Done()
				return true
			})
			cfg := s.config()
			cfg.NextProtos = []string{protocol}
			open := countConnections(cfg)
			cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { // one that hides what is below
				return wrapper(func(r *http.Request) (*http.Response, error) { return next.RoundTrip(r) })
			})
			clientset := newClientset(t, cfg)
			var stop [2]func()
			for i, id := range []string{"a", "b"} {
				config := testConfig(id)
				e, err := New(&config, clientset, Callbacks{}, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- e.Start(ctx) }()
				stop[i] = func() {
					cancel()
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
				<-watching
			}
			stop[0]()
			if open.Load() == 0 {
				t.Error("the first to end has closed the connections of the other")
			}
			stop[1]()
			if n := open.Load(); n != 0 {
				t.Errorf("%d connections are open after the end of the last Elector", n)
			}
			mustGet(t, clientset) // opens another one
		})
	}
}
