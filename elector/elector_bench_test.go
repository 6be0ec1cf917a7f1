// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"log/slog"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/leasetest"
)

// leading returns an Elector that has won its Lease for ten minutes, with the lock it was won by. It was not started,
// so that nothing goes on beside what is measured.
func leading(tb testing.TB) (*Elector, *lock) {
	tb.Helper()
	config := testConfig("me")
	config.LeaseDuration, config.RenewDeadline = MaxLeaseDuration, MaxLeaseDuration-time.Second
	e, err := New(&config, leasetest.NewServer().Client("me"), Callbacks{}, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	l := &lock{
		identity: "me", leases: e.leases, decided: func(err error) { tb.Error(err) },
		begin: func(stored *coordinationv1.Lease, sent lease.Moment) (*term, error) {
			return e.beginTerm(tb.Context(), stored, sent)
		},
		renewed: func(version string, sent lease.Moment) {
			e.metrics().renewal(sent)
			e.watcher.Expect(version)
		},
	}
	if err := l.Create(tb.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "me", LeaseDurationSeconds: 600}); err != nil {
		tb.Fatal(err)
	}
	if !e.IsLeader() {
		tb.Fatal("does not lead")
	}
	return e, l
}

func BenchmarkIsLeader(b *testing.B) {
	b.Run("leading", func(b *testing.B) {
		e, _ := leading(b)
		b.ReportAllocs()
		for b.Loop() {
			e.IsLeader()
		}
	})
	b.Run("standby", func(b *testing.B) {
		e, _ := leading(b)
		e.term.Store(nil)
		b.ReportAllocs()
		for b.Loop() {
			e.IsLeader()
		}
	})
	b.Run("parallel", func(b *testing.B) {
		e, _ := leading(b)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				e.IsLeader()
			}
		})
	})
}

func BenchmarkRemaining(b *testing.B) {
	e, _ := leading(b)
	b.ReportAllocs()
	for b.Loop() {
		e.Remaining()
	}
}

func BenchmarkTerm(b *testing.B) {
	e, _ := leading(b)
	b.ReportAllocs()
	for b.Loop() {
		e.Term()
	}
}

// BenchmarkRenewal measures what a leader does every RetryPeriod, without the network and a real API server.
func BenchmarkRenewal(b *testing.B) {
	e, l := leading(b)
	renewed, version := l.renewed, ""
	l.renewed = func(v string, sent lease.Moment) {
		version = v
		renewed(v, sent)
	}
	b.ReportAllocs()
	for b.Loop() {
		err := l.Update(b.Context(), resourcelock.LeaderElectionRecord{
			HolderIdentity: "me", LeaseDurationSeconds: 600, RenewTime: metav1.Now(),
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if obs, _ := e.view.Get(); !obs.Ours || obs.Version() != version {
		b.Errorf("the view shows version %q, not the last renewal's, %q", obs.Version(), version)
	}
}

func TestAskingWhetherOneLeadsAllocatesNothing(t *testing.T) {
	e, _ := leading(t)
	for name, ask := range map[string]func(){
		"IsLeader":  func() { e.IsLeader() },
		"Remaining": func() { e.Remaining() },
		"Term":      func() { e.Term() },
	} {
		if n := testing.AllocsPerRun(100, ask); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	e.term.Load().lose(ErrTakenOver)
	if n := testing.AllocsPerRun(100, func() { e.IsLeader() }); n != 0 || e.IsLeader() {
		t.Errorf("after the term's end: %v allocations", n)
	}
}
