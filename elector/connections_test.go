// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
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
