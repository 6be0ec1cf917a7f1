// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/leasetest"
)

type (
	leaseOp    = leasetest.Op
	leaseFault = leasetest.Fault
)

func TestAReplicaWithAnotherNumberOfShardsRefuses(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a, b := w.two()
		moves := w.movesIn(func() {
			stranger := w.memberOf(16, "stranger").start()
			if err := stranger.result(4 * time.Second); !errors.Is(err, ErrCount) {
				t.Errorf("Start returned %v", err)
			}
			if stranger.Healthz(nil) == nil {
				t.Error("the stranger is healthy")
			}
			w.pass(time.Minute)
		})
		if moves > 0 || !w.balanced(a, b) {
			t.Errorf("%d shards moved\n%s", moves, w.history())
		}
	})
}

// A list is in the order of names, not in that of the claims.
func TestARivalInTheListThatShowsTheSessionIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := names{testSet}
		for _, id := range []string{"a", "b"} {
			v := newView(n, 1, n.session(id), 15*time.Second)
			v.sawList(nil, "1", time.Now(), "")
			var list []coordinationv1.Lease
			for _, other := range []string{"a", "b"} {
				count := 1
				if other != id {
					count = 2
				}
				list = append(list, coordinationv1.Lease{
					ObjectMeta: metav1.ObjectMeta{Name: n.session(other), UID: types.UID(other), ResourceVersion: "2", Labels: n.labels(count, nil)},
					Spec:       coordinationv1.LeaseSpec{HolderIdentity: &other, AcquireTime: &metav1.MicroTime{Time: time.Now()}},
				})
			}
			v.sawList(list, "2", time.Now(), "1")
			if !v.rivalry(time.Now()).alive {
				t.Errorf("%s does not know of the other", id)
			}
		}
	})
}

// Sessions are claimed in an order. The second of two sees the first.
func TestOfTwoNumbersThatStartTogetherOneAtMostGoesOn(t *testing.T) {
	for _, ahead := range []time.Duration{0, 100 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond} {
		inWorld(t, 8, func(w *world) {
			a, b := w.memberOf(8, "a"), w.memberOf(16, "b")
			for _, m := range []*member{a, b} {
				m.client.Latency(time.Millisecond, time.Millisecond)
				m.client.DelayWatches(time.Millisecond)
			}
			a.start()
			drain(ahead)
			b.start()
			w.pass(time.Minute)
			if len(a.Held()) > 0 && len(b.Held()) > 0 || len(a.Held())+len(b.Held()) == 0 {
				t.Errorf("%v ahead: a has %v, b has %v", ahead, a.Held(), b.Held())
			}
		})
	}
}

// The old replicas lose their sessions in an outage. One with another number that comes then must not get in between.
func TestAnOutageDoesNotMixNumbers(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a, b := w.two()
		a.crash()
		b.crash()
		w.pass(5 * time.Second)
		c := w.memberOf(16, "c").start()
		w.pass(11 * time.Second)
		a.client.CutWatches()
		b.client.CutWatches()
		a.client.Heal()
		b.client.Heal()
		w.pass(time.Minute)
		if (len(a.Held()) > 0 || len(b.Held()) > 0) && len(c.Held()) > 0 {
			t.Errorf("a has %v, b %v, c %v", a.Held(), b.Held(), c.Held())
		}
	})
}

// The way to change the number: new replicas wait until the last old one has gone.
func TestTheNumberOfShardsIsChangedByWaiting(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a, b := w.two()
		var refusals []error
		c, d := w.memberOf(16, "c"), w.memberOf(16, "d")
		c.callbacks.OnOtherCount = func(err error) { refusals = append(refusals, err) }
		d.callbacks.OnOtherCount = func(error) {}
		c.start()
		w.pass(10 * time.Second)
		a.stop()
		d.start()
		w.settled(time.Second, b)
		w.pass(time.Minute)
		if w.count(c)+w.count(d) > 0 {
			t.Errorf("two numbers at once\n%s", w.history())
		}
		if len(refusals) != 1 || !errors.Is(refusals[0], ErrCount) || !strings.Contains(refusals[0].Error(), "they have 8, this one has 16") {
			t.Errorf("told of %q", refusals)
		}
		if err := c.Healthz(nil); err != nil || !c.refused {
			t.Errorf("while it waits: healthy %v, refused %v", err, c.refused)
		}
		b.stop()
		took := w.until(time.Second, "the new replicas have all shards", func() bool { return w.count(c) == 8 && w.count(d) == 8 })
		t.Logf("all shards are served %v after the last old replica was stopped", took)
		if c.refused || len(refusals) != 1 {
			t.Errorf("refused %v, told of %q", c.refused, refusals)
		}
	})
}

// Two that give way to each other, and try again at once. Sessions are told apart by their acquireTimes.
func TestNoTwoSessionsOfAReplicaHaveOneAcquireTime(t *testing.T) {
	for range 20 { // chance decides who comes first
		inWorld(t, 8, func(w *world) {
			acquired := map[string]bool{}
			var mu sync.Mutex // guards acquired
			w.server.OnWrite(func(write leasetest.Write) {
				if i, ok := (names{testSet}).parse(write.New.Name); !ok || i >= 0 || holder(write.New) == "" || write.Old != nil && holder(write.Old) != "" {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				session := fmt.Sprint(write.New.Name, " ", micros(write.New.Spec.AcquireTime))
				if acquired[session] {
					t.Errorf("%s is that of two sessions", session)
				}
				acquired[session] = true
			})
			for i, id := range []string{"a", "b", "c", "d"} {
				m := w.memberOf(8+i%2, id)
				m.callbacks.OnOtherCount = func(error) {}
				m.start()
			}
			w.pass(10 * time.Second)
		})
	}
}

// Of two that start together, the one that gives way waits.
func TestOfTwoNumbersThatStartTogetherTheOtherWaits(t *testing.T) {
	for _, ahead := range []time.Duration{0, 100 * time.Microsecond, 2 * time.Millisecond, 10 * time.Millisecond} {
		inWorld(t, 8, func(w *world) {
			a, b := w.memberOf(8, "a"), w.memberOf(16, "b")
			for _, m := range []*member{a, b} {
				m.callbacks.OnOtherCount = func(error) {}
				m.client.Latency(time.Millisecond, time.Millisecond)
				m.client.DelayWatches(time.Millisecond)
			}
			a.start()
			drain(ahead)
			b.start()
			w.pass(time.Minute)
			if na, nb := len(a.Held()), len(b.Held()); na+nb != 8 && na+nb != 16 || na > 0 && nb > 0 {
				t.Fatalf("%v ahead: a has %v, b has %v\n%s", ahead, a.Held(), b.Held(), w.history())
			}
			if len(a.Held()) > 0 {
				a.stop()
			} else {
				b.stop()
			}
			w.until(time.Second, "the other has all", func() bool { return len(a.Held())+len(b.Held()) > 0 })
		})
	}
}

// Something deletes the Lease of a session again and again, so that shards name many sessions of it.
func TestManySessionsOfOneReplicaWithAnotherNumberAreEachReadOnce(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		put := func(name string, spec coordinationv1.LeaseSpec) {
			w.server.Put(&coordinationv1.Lease{
				ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: name, Labels: names{testSet}.labels(20, nil)}, Spec: spec,
			})
		}
		for i := range 20 {
			at := metav1.NewMicroTime(time.Now().Add(time.Duration(i) * time.Second))
			put(names{testSet}.shard(i), coordinationv1.LeaseSpec{
				HolderIdentity: ptr.To("x"), LeaseDurationSeconds: ptr.To[int32](15), AcquireTime: &at, RenewTime: &at,
			})
		}
		put(names{testSet}.session("x"), blank())
		a := w.member("a").start()
		w.settled(30*time.Second, a)
		if sent := w.server.Requests("a", "get"); sent > 25 {
			t.Errorf("%d reads for 20 sessions", sent)
		}
	})
}
