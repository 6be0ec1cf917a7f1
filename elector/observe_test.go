// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/leasetest"
)

// Found by the simulator: a watch's event may be looked at while the claim that it gave rise to succeeds. The observer
// is stopped here after it has read the term and before it has read the view, by the view's mutex.
func TestWhatWasSeenBeforeATermBeganDoesNotEndIt(t *testing.T) {
	client := leasetest.NewServer().Client("me")
	e, err := New(&Config{Enabled: true, Identity: "me", LeaseName: "lease", LeaseNamespace: "ns"},
		client, Callbacks{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	locked, unlock := make(chan struct{}), make(chan struct{})
	config := e.leaseConfig()
	config.Note = func(lease.Observation, *coordinationv1.Lease, lease.Moment) any {
		close(locked)
		<-unlock
		return nil
	}
	e.view = lease.NewClient(client, config).View
	var looking sync.WaitGroup
	looking.Go(func() { e.view.Saw(&coordinationv1.Lease{}, "1") })
	<-locked
	looking.Go(e.sighted)
	for stacks := make([]byte, 1<<20); !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("(*View).Get(")); {
		runtime.Gosched()
	}
	term := newTerm(t.Context(), Term{}, "first", e.config.RenewDeadline, lease.Now())
	e.term.Store(term)
	close(unlock)
	looking.Wait()
	if err := context.Cause(term.ctx); err != nil {
		t.Errorf("the term ended with %v", err)
	}
	term.cancel(nil)
}

// Between the watch's taking in an event and its ending the term for it, a renewal may come. It must not write over
// what was seen.
func TestARenewalDoesNotOverwriteWhatWasSeenAMomentAgo(t *testing.T) {
	for name, c := range map[string]struct {
		seen  func(*leasetest.Server) *coordinationv1.Lease
		cause error
	}{
		"another's record": {func(s *leasetest.Server) *coordinationv1.Lease {
			return s.Edit("ns", "lease", func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("another") })
		}, ErrTakenOver},
		"no Lease": {func(s *leasetest.Server) *coordinationv1.Lease {
			s.Delete("ns", "lease")
			return nil
		}, ErrLeaseDeleted},
	} {
		t.Run(name, func(t *testing.T) {
			server := leasetest.NewServer()
			e, err := New(&Config{Enabled: true, Identity: "me", LeaseName: "lease", LeaseNamespace: "ns"},
				server.Client("me"), Callbacks{}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			record := resourcelock.LeaderElectionRecord{HolderIdentity: "me", LeaseDurationSeconds: 15}
			mine, sent, err := e.leases.Write(t.Context(), nil, record, marks{}.put)
			if err != nil {
				t.Fatal(err)
			}
			term, err := e.beginTerm(t.Context(), mine, sent)
			if err != nil {
				t.Fatal(err)
			}
			l := &lock{identity: "me", leases: e.leases, term: term, renewed: func(string, lease.Moment) {}}
			if err := l.Update(t.Context(), record); err != nil {
				t.Fatalf("a renewal before: %v", err)
			}

			seen := c.seen(server)
			e.view.Saw(seen, "1000") // and nobody has been told yet
			if err := l.Update(t.Context(), record); !errors.Is(err, errCampaignOver) {
				t.Errorf("got %v, want %v", err, errCampaignOver)
			}
			if now := server.Get("ns", "lease"); !equality.Semantic.DeepEqual(now, seen) {
				t.Errorf("the Lease is\n%v, was\n%v", now, seen)
			}
			if got := context.Cause(term.ctx); !errors.Is(got, c.cause) {
				t.Errorf("the term ended with %v, want %v", got, c.cause)
			}
		})
	}
}
