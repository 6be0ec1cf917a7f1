// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

var errForbidden = apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, "", errors.New("no"))

// refuse makes a client's requests with these verbs fail.
func refuse(err error, verbs ...string) func(leasetest.Op) leasetest.Fault {
	return func(op leasetest.Op) leasetest.Fault {
		if slices.Contains(verbs, op.Verb) {
			return leasetest.Fault{Err: err}
		}
		return leasetest.Fault{}
	}
}

// isShard reports whether a request is about the Lease of a shard.
func isShard(op leasetest.Op) bool {
	i, ok := names{testSet}.parse(op.Name)
	return ok && i >= 0
}

func TestTheShardsOfACrashedReplicaAreServedElsewhere(t *testing.T) {
	inWorld(t, 16, func(w *world) {
		w.drain = 4900 * time.Millisecond // it must be over before anybody else begins
		a, b := w.two()
		c := w.member("c").start()
		w.settled(10*time.Second, a, b, c)
		w.pass(10 * time.Second)
		a.crash()
		last := w.sessionLease("a").Spec.RenewTime.Time
		var took time.Duration
		crashed := w.count(a)
		moves := w.movesIn(func() {
			w.settled(20*time.Second, b, c)
			took = time.Since(last)
		})
		if moves != crashed {
			t.Errorf("%d shards moved, want the %d of the crashed", moves, crashed)
		}
		if limit := 15*time.Second + 600*time.Millisecond; took > limit {
			t.Errorf("served elsewhere %v after the last renewal, want %v", took, limit)
		}
		if gets := w.server.Requests("b", "get"); gets > 3 {
			t.Errorf("%d reads, want one when the session began and one to confirm the lapse", gets)
		}
	})
}

// A short outage is a pause: nobody else has had the shards, so nobody gets others. After a long one the sessions come
// back one after the other, since requests in lasting faults are paced.
func TestAfterAnOutageEveryReplicaHasItsShardsAgain(t *testing.T) {
	for _, outage := range []time.Duration{3 * time.Second, 12 * time.Second, time.Minute, 10 * time.Minute} {
		inWorld(t, 16, func(w *world) {
			a, b := w.two()
			c := w.member("c").start()
			w.settled(10*time.Second, a, b, c)
			before := map[*member][]int{a: a.Held(), b: b.Held(), c: c.Held()}
			for m := range before {
				m.client.Partition()
			}
			w.pass(outage)
			for m := range before {
				m.client.CutWatches()
				m.client.Heal()
			}
			w.pass(9 * time.Second)
			if outage > 15*time.Second {
				w.settled(45*time.Second, a, b, c)
				return
			}
			w.settled(time.Second, a, b, c)
			for m, held := range before {
				if now := m.Held(); !slices.Equal(now, held) {
					t.Errorf("after %v %s has %v, before it had %v", outage, m.id, now, held)
				}
			}
		})
	}
}

// Its session says that it is well, and so it would be waited for.
func TestAReplicaThatCannotClaimIsPassedOver(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a, b := w.two()
		c := w.member("c")
		c.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			if isShard(op) {
				return leasetest.Fault{Err: errForbidden}
			}
			return leasetest.Fault{}
		})
		c.start()
		w.pass(time.Second)
		w.settled(20*time.Second, a, b)
		w.server.ResetRequests()
		w.pass(5 * time.Minute)
		if sent := w.server.Requests("c", "update"); sent > 5*(30+20) {
			t.Errorf("it has sent %d updates in five minutes, want 250 at most", sent)
		}
	})
}

// Its claims have failed, and when it has been passed over there is nothing left to claim.
func TestAReplicaThatCanClaimAgainIsCounted(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a, b := w.two()
		c := w.member("c")
		c.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			if isShard(op) {
				return leasetest.Fault{Err: errForbidden}
			}
			return leasetest.Fault{}
		})
		c.start()
		w.pass(time.Second)
		w.settled(20*time.Second, a, b)
		w.pass(time.Minute)
		c.client.Heal()
		w.settled(time.Minute, a, b, c)
	})
}

// One has passed another over which the rest count, and which has all that it should.
func TestReplicasThatDoNotAgreeOnWhoIsPassedOverSettle(t *testing.T) {
	inWorld(t, 7, func(w *world) {
		more, less := w.two()
		if w.count(more) < w.count(less) {
			more, less = less, more
		}
		more.view.mu.Lock()
		more.view.replicas[less.view.self].unfit = true
		more.view.mu.Unlock()
		c := w.member("c").start()
		w.settled(40*time.Second, more, less, c)
	})
}

func TestLostRepliesLoseNoShard(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		var lose atomic.Int64
		a := w.member("a")
		a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			if isShard(op) && (op.Verb == "create" || op.Verb == "update") {
				return leasetest.Fault{LoseReply: lose.Add(1)%2 == 1}
			}
			return leasetest.Fault{}
		})
		a.start()
		w.settled(2*time.Minute, a)
		b := w.member("b").start()
		w.settled(2*time.Minute, a, b)
		a.stop()
		w.settled(2*time.Minute, b)
	})
}

// A release that arrives late must not blank what was claimed again meanwhile.
func TestALateReleaseReplacesNothing(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		a := w.member("a").start()
		w.settled(time.Second, a)
		var late atomic.Bool
		late.Store(true)
		a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			if late.Load() && isShard(op) && op.Lease != nil && holder(op.Lease) == "" {
				return leasetest.Fault{Delay: 20 * time.Second}
			}
			return leasetest.Fault{}
		})
		b := w.member("b").start()
		w.pass(6 * time.Second)
		b.stop() // so that the shards are a's again
		w.pass(5 * time.Second)
		late.Store(false)
		w.pass(time.Minute)
		w.settled(time.Second, a)
	})
}

func TestAClaimReplacesExactlyWhatItWasDecidedOn(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		a, b := w.member("a"), w.member("b")
		ctx := context.Background()
		me, other := session{a.view.self, 1}, session{b.view.self, 2}
		first, err := a.Shards.client.claim(ctx, 0, nil, me)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Shards.client.release(ctx, first); err != nil {
			t.Fatal(err)
		}
		free := w.shardLease(0)
		if _, err := a.Shards.client.claim(ctx, 0, free, me); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Shards.client.claim(ctx, 0, free, other); !lostRace(err) {
			t.Errorf("the second claim of one version: %v, want a lost race", err)
		}
		if _, err := b.Shards.client.claim(ctx, 0, nil, other); !lostRace(err) {
			t.Errorf("a claim of a Lease that was not there: %v, want a lost race", err)
		}
		if got := holder(w.shardLease(0)); got != "a" {
			t.Errorf("the holder is %q", got)
		}
		if err := a.Shards.client.release(ctx, first); !lostRace(err) {
			t.Errorf("a release of an old version: %v, want a lost race", err)
		}
	})
}

func TestWhatIsLoggedIsBounded(t *testing.T) {
	inWorld(t, 64, func(w *world) {
		lines := &lineCounter{}
		w.lines = lines
		a, b := w.two()
		for _, m := range []*member{a, b} {
			m.client.Fail(apierrors.NewServiceUnavailable("down"), -1)
			m.client.CutWatches()
		}
		w.pass(10 * time.Minute)
		for _, m := range []*member{a, b} {
			m.client.Heal()
		}
		w.settled(time.Minute, a, b)
		if n := lines.count(); n < 5 || n > 16 {
			t.Errorf("%d lines in ten minutes without an API server, want 16 at most:\n%s", n, lines)
		}
	})
}

func TestASessionsLossEndsAllItsShards(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a, _ := w.two()
		terms := map[int]elector.Term{}
		for _, i := range a.Held() {
			terms[i], _ = a.Term(i)
		}
		a.crash()
		w.pass(8 * time.Second)
		for i, term := range terms {
			if left := term.Remaining(); left <= 0 || left > 10*time.Second {
				t.Errorf("shard %d has %v left", i, left)
			}
		}
		w.pass(2 * time.Second)
		for i, term := range terms {
			if left := term.Remaining(); left != 0 {
				t.Errorf("shard %d has %v left after its session", i, left)
			}
		}
		if held := a.Held(); len(held) > 0 || !w.logged(elector.ErrLeaseExpired.Error()) {
			t.Errorf("held %v\n%s", held, w.history())
		}
	})
}

// The API server wants to be left alone for longer than the usual pause.
func TestRetryAfterIsObeyed(t *testing.T) {
	for _, verb := range []string{"list", "watch", "create"} {
		inWorld(t, 1, func(w *world) {
			a := w.member("a")
			busy := apierrors.NewGenericServerResponse(429, verb, schema.GroupResource{Resource: "leases"}, "", "busy", 20, false)
			var asked []time.Duration
			a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
				if op.Verb != verb || verb == "create" && !isShard(op) || verb == "watch" && op.Name != "" {
					return leasetest.Fault{}
				}
				asked = append(asked, time.Since(w.began))
				return leasetest.Fault{Err: busy}
			})
			a.start()
			w.pass(50 * time.Second)
			if len(asked) < 2 || len(asked) > 3 {
				t.Errorf("%s was asked at %v, want once in 20 s", verb, asked)
			}
		})
	}
}
