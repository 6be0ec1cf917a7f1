// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/leasetest"
)

// handOvers makes the Lease change hands among standbys, each of which a request costs some milliseconds, and returns
// how many claims were sent and how long nobody led, on average. The winner also renews at once.
func handOvers(w *world, candidates []*candidate, n int) (claims float64, gap time.Duration) {
	w.t.Helper()
	for range n {
		time.Sleep(time.Minute)
		synctest.Wait()
		before := map[string]int{}
		var leader *candidate
		for _, c := range candidates {
			before[c.id] = w.server.Requests(c.id, "update")
			if c.IsLeader() {
				leader = c
			}
		}
		released := time.Now().Add(2 * time.Millisecond) // when the server has it
		go func() { _ = leader.StepDown(w.t.Context()) }()
		w.until(time.Second, "another leads", func() bool {
			for _, c := range candidates {
				if c != leader && c.IsLeader() {
					return true
				}
			}
			return false
		})
		gap += time.Since(released)
		time.Sleep(100 * time.Millisecond)
		for _, c := range candidates {
			if c != leader {
				claims += float64(w.server.Requests(c.id, "update") - before[c.id])
			}
		}
	}
	return claims/float64(n) - 1, gap / time.Duration(n)
}

func TestWhoHasLostManyRacesLetsOthersGoFirst(t *testing.T) {
	for _, c := range []struct {
		standbys       int
		claims         float64
		gap, afterHour time.Duration
	}{
		{standbys: 1, claims: 1, gap: 5 * time.Millisecond},
		{standbys: 3, claims: 3, gap: 6 * time.Millisecond},
		{standbys: 16, claims: 6, gap: 7 * time.Millisecond},
	} {
		t.Run(fmt.Sprint(c.standbys), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var all []*candidate
				for i := range c.standbys + 1 {
					n := w.candidate(fmt.Sprint("c", i))
					n.client.Latency(2*time.Millisecond, 2*time.Millisecond)
					all = append(all, n)
					if n.start(); i == 0 {
						n.leads(time.Second)
					}
				}
				handOvers(w, all, 5) // to learn from
				claims, gap := handOvers(w, all, 20)
				if claims > c.claims || gap > c.gap {
					t.Errorf("%.1f claims, and a gap of %v, want %.1f and %v", claims, gap, c.claims, c.gap)
				}
				t.Logf("%.1f claims, gap %v", claims, gap)
				for range 3 { // it is forgotten
					time.Sleep(raceMemory)
					if claims, _ := handOvers(w, all, 1); int(claims) != c.standbys {
						t.Errorf("%.0f claims after a while, want one by each standby", claims)
					}
				}
			})
		})
	}
}

// Whoever sees that another has claimed the Lease has nothing to claim any more.
func TestAClaimThatWouldBeInVainIsNotSent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		b := w.candidate("b").start()
		time.Sleep(time.Second)
		base, _ := b.view.Get()
		w.isHeldBy("x")
		w.server.ResetRequests()
		campaign, err := b.startCampaign(t.Context(), base)
		if err != nil {
			t.Fatal(err)
		}
		if term, err := b.outcome(t.Context(), campaign); term != nil || err == nil {
			t.Errorf("it has a term: %v", err)
		}
		if n := w.server.Requests("b", "update"); n > 0 {
			t.Errorf("%d claims", n)
		}
	})
}

// The answer to the claim in vain is all that tells of the winner.
func TestAWinnerWhoseLeaseIsDeletedAtOnceIsRespected(t *testing.T) {
	for name, prepare := range map[string]func(w *world){
		"no Lease": func(*world) {},
		"released": func(w *world) { w.server.Put(foreignLease("", nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				prepare(w)
				a := w.candidate("a")
				raced := false
				a.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
					switch {
					case op.Verb == "watch":
						f.Err = apierrors.NewForbidden(coordinationv1.Resource("leases"), testLease, nil)
					case op.Lease != nil && !raced:
						raced = true
						w.server.Put(foreignLease("x", ptr.To[int32](15)))
						time.AfterFunc(10*time.Millisecond, func() { w.server.Delete(testNamespace, testLease) })
					}
					return f
				})
				a.start()
				if took := a.leads(time.Minute); took < DefaultLeaseDuration || took > 2*DefaultLeaseDuration {
					t.Errorf("leads %v after it has lost the race", took)
				}
			})
		})
	}
}
