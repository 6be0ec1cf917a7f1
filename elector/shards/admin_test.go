// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector"
)

// two starts two replicas and waits until they share the shards.
func (w *world) two() (a, b *member) {
	w.t.Helper()
	a, b = w.member("a").start(), w.member("b").start()
	w.settled(2*time.Second, a, b)
	w.pass(5 * time.Second)
	return a, b
}

// of returns a shard of the member's.
func (w *world) of(m *member) int {
	w.t.Helper()
	held := m.Held()
	if len(held) == 0 {
		w.t.Fatalf("%s holds nothing\n%s", m.id, w.history())
	}
	return held[0]
}

func (w *world) editShard(i int, change func(*coordinationv1.Lease)) {
	w.server.Edit(testNamespace, names{testSet}.shard(i), change)
}

func (w *world) editSession(id string, change func(*coordinationv1.Lease)) {
	w.server.Edit(testNamespace, names{testSet}.session(id), change)
}

// logged reports whether a line of the history contains the text.
func (w *world) logged(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Contains(strings.Join(w.log, "\n"), text)
}

func TestAShardWhoseLeaseIsDeletedIsServedAgainAfterItsWorkEnded(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		w.drain = time.Second
		a, b := w.two()
		i := w.of(a)
		w.server.Delete(testNamespace, names{testSet}.shard(i))
		w.pass(100 * time.Millisecond)
		if _, ok := a.Term(i); ok || !w.logged("lease deleted") {
			t.Errorf("the holder's term goes on\n%s", w.history())
		}
		w.settled(1100*time.Millisecond, a, b)
	})
}

// The holder cannot notice: others must wait for it.
func TestOthersWaitForTheHolderOfADeletedShard(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		w.drain = 4 * time.Second
		a, b := w.two()
		i := w.of(a)
		a.crash()
		w.server.Delete(testNamespace, names{testSet}.shard(i))
		w.settled(20*time.Second, b)
		if !w.logged("lease expired") {
			t.Error(w.history())
		}
	})
}

// A watch that died hides the deletion from the holder, whose session goes on.
func TestOthersWaitForTheHolderOfADeletedShardWhoseWatchIsLate(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		w.drain = 4 * time.Second
		a, b := w.two()
		a.client.DelayWatches(time.Hour)
		w.server.Delete(testNamespace, names{testSet}.shard(w.of(a)))
		w.pass(30 * time.Second)
		w.settled(5*time.Second, a, b)
	})
}

// A replica that starts then has never seen the Lease, and there are no other shards.
func TestOneThatStartsWaitsForTheHolderOfTheOnlyShardThatWasDeleted(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.drain = 4 * time.Second
		b := w.member("b").start()
		w.settled(time.Second, b)
		w.pass(5 * time.Second)
		b.client.DelayWatches(time.Hour)
		w.server.Delete(testNamespace, names{testSet}.shard(0))
		a := w.member("a").start() // the shard would be a's
		w.pass(30 * time.Second)
		if !w.balanced(a) && !w.balanced(b) {
			t.Errorf("nobody serves it\n%s", w.history())
		}
	})
}

func TestAShardWhoseHolderIsBlankedStaysServedByOne(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		w.drain = 3 * time.Second
		a, b := w.two()
		i := w.of(a)
		w.editShard(i, func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("") })
		w.pass(time.Second)
		if _, ok := a.Term(i); ok || !w.logged("lease taken over") {
			t.Errorf("the holder's term goes on\n%s", w.history())
		}
		w.settled(2500*time.Millisecond, a, b)
	})
}

func TestAnotherHoldersRecordIsNotOverwrittenByTheLoser(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a, b := w.two()
		i := w.of(a)
		w.editShard(i, func(l *coordinationv1.Lease) {
			l.Spec.HolderIdentity = ptr.To("stranger")
			l.Spec.LeaseTransitions = ptr.To(int32(1<<31 - 1))
		})
		w.pass(14 * time.Second)
		if got := holder(w.shardLease(i)); got != "stranger" {
			t.Errorf("%s has replaced the stranger within its time", got)
		}
		w.settled(2*time.Second, a, b)
	})
}

func TestRubbishInShardsIsWaitedForAndReplaced(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, rubbish := range map[string]coordinationv1.LeaseSpec{
		"empty":          {},
		"no times":       {HolderIdentity: ptr.To("x")},
		"huge holder":    {HolderIdentity: &long},
		"huge duration":  {HolderIdentity: ptr.To("x"), LeaseDurationSeconds: ptr.To(int32(1<<31 - 1))},
		"minus duration": {HolderIdentity: ptr.To("x"), LeaseDurationSeconds: ptr.To(int32(-5))},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 4, func(w *world) {
				a, b := w.two()
				for i := range 4 {
					w.editShard(i, func(l *coordinationv1.Lease) { l.Spec = rubbish })
				}
				w.pass(time.Second)
				w.settled(elector.MaxLeaseDuration+5*time.Second, a, b)
			})
		})
	}
}

func TestLabelsAndAnnotationsOfOthersChangeNoTerm(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a, b := w.two()
		moves := w.movesIn(func() {
			for i := range 8 {
				w.editShard(i, func(l *coordinationv1.Lease) { l.Labels, l.Annotations = map[string]string{"mine": "yes"}, nil })
			}
			for _, id := range []string{"a", "b"} {
				w.editSession(id, func(l *coordinationv1.Lease) { l.Labels["mine"] = "yes"; delete(l.Labels, SetLabel) })
			}
			w.pass(time.Minute)
		})
		if moves > 0 || !w.balanced(a, b) {
			t.Errorf("%d shards have begun a term\n%s", moves, w.history())
		}
		for i := range 8 {
			if l := w.shardLease(i); l.Labels[SetLabel] != testSet || l.Labels["mine"] != "yes" {
				t.Errorf("shard %d has the labels %v", i, l.Labels)
			}
		}
	})
}

func TestTheLeaseOfASessionIsDeleted(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		w.drain = 2 * time.Second
		a, b := w.two()
		moves := w.movesIn(func() {
			w.server.Delete(testNamespace, names{testSet}.session("a"))
			w.pass(time.Second)
			if len(a.Held()) > 0 {
				t.Errorf("its shards outlive the session\n%s", w.history())
			}
			w.pass(5 * time.Second)
			w.settled(20*time.Second, a, b)
		})
		if moves != 4 {
			t.Errorf("%d shards moved, want the 4 of the session", moves)
		}
	})
}

func TestTheRecordOfASessionIsEdited(t *testing.T) {
	for name, edit := range map[string]func(*coordinationv1.Lease){
		"acquireTime": func(l *coordinationv1.Lease) { l.Spec.AcquireTime.Time = l.Spec.AcquireTime.Add(time.Second) },
		"holder":      func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("x") },
		"blank":       func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("") },
		"empty":       func(l *coordinationv1.Lease) { l.Spec = coordinationv1.LeaseSpec{} },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 8, func(w *world) {
				w.drain = 4 * time.Second
				a, b := w.two()
				w.editSession("a", edit)
				w.pass(40 * time.Second)
				w.settled(5*time.Second, a, b)
			})
		})
	}
}

func TestAnOldCopyOfAShardIsAppliedAgain(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		w.drain = 4 * time.Second
		a := w.member("a").start()
		w.settled(time.Second, a)
		old := map[int]coordinationv1.LeaseSpec{}
		for i := range 8 {
			old[i] = w.shardLease(i).Spec
		}
		b := w.member("b").start()
		w.settled(10*time.Second, a, b)
		i := w.of(b)
		w.editShard(i, func(l *coordinationv1.Lease) { l.Spec = old[i] })
		w.pass(time.Second)
		w.settled(40*time.Second, a, b)
	})
}

// Work is told why its shard is lost.
func TestTheCauseOfAShardsEndIsInItsContext(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		a := w.member("a")
		causes := make(chan error, 10)
		a.work = func(ctx context.Context, _ int) {
			<-ctx.Done()
			causes <- context.Cause(ctx)
		}
		a.start()
		w.settled(time.Second, a)
		b := w.member("b").start()
		w.settled(time.Second, a, b)
		if err := <-causes; !errors.Is(err, ErrGivenBack) {
			t.Errorf("given back: %v", err)
		}
		w.editShard(w.of(a), func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("x") })
		if err := <-causes; !errors.Is(err, elector.ErrTakenOver) {
			t.Errorf("edited: %v", err)
		}
	})
}

// What is there may be what the API server refuses to store. A shard with such a record must still change hands.
func TestARecordThatCannotBeStoredAgainIsWrittenOver(t *testing.T) {
	for name, spoil := range map[string]func(*coordinationv1.LeaseSpec){
		"transitions": func(s *coordinationv1.LeaseSpec) { s.LeaseTransitions = ptr.To[int32](-5) },
		"duration":    func(s *coordinationv1.LeaseSpec) { s.LeaseDurationSeconds = ptr.To[int32](-1) },
	} {
		for what, write := range map[string]func(*client, context.Context, *coordinationv1.Lease) error{
			"release": (*client).release, "relabel": (*client).relabel,
			"end": func(c *client, ctx context.Context, l *coordinationv1.Lease) error { return c.end(ctx, l, false) },
		} {
			inWorld(t, 1, func(w *world) {
				a := w.member("a").start()
				w.settled(10*time.Second, a)
				a.crash()
				w.editShard(0, func(l *coordinationv1.Lease) { spoil(&l.Spec) })
				if err := write(w.member("b").Shards.client, w.t.Context(), w.shardLease(0)); err != nil {
					t.Errorf("%s of a shard with negative %s: %v", what, name, err)
				}
			})
		}
	}
}
