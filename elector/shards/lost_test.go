// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

func (w *world) takeAway(i int) {
	w.editShard(i, func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("x") })
}

// Another replica may have the shard LeaseDuration after the loss. The process must be gone by then, whatever
// DrainTimeout is.
func TestWorkOfALostShardMayRunOnForLeaseDurationWithoutRenewDeadline(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a := w.member("a", func(c *elector.Config) { c.DrainTimeout = time.Hour })
		release := make(chan struct{})
		defer close(release)
		a.work = func(ctx context.Context, _ int) {
			<-ctx.Done()
			if errors.Is(context.Cause(ctx), elector.ErrTakenOver) {
				<-release
			}
		}
		a.start()
		w.settled(time.Second, a)
		w.pass(5 * time.Second)
		i := w.of(a)
		w.takeAway(i)
		w.pass(4900 * time.Millisecond)
		select {
		case <-a.done:
			t.Error("the work had no time to stop")
		default:
		}
		if err := a.result(200 * time.Millisecond); !errors.Is(err, elector.ErrDrainTimeout) || !strings.Contains(err.Error(), fmt.Sprint("shard ", i)) {
			t.Errorf("Start returned %v", err)
		}
		if a.Healthz(nil) == nil {
			t.Error("the replica is healthy")
		}
	})
}

// The session's end leaves the work of its other shards more time than that of one that was lost before.
func TestTheEndOfTheSessionGivesTheWorkOfALostShardNoMoreTime(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		a := w.stubborn("a")
		a.start()
		w.settled(time.Second, a)
		w.pass(5 * time.Second)
		w.takeAway(0)
		w.pass(4 * time.Second)
		w.editSession("a", func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("x") })
		if err := a.result(1100 * time.Millisecond); !errors.Is(err, elector.ErrDrainTimeout) || !strings.Contains(err.Error(), "shard 0") {
			t.Errorf("Start returned %v", err)
		}
	})
}

// The session lapses for the others while nothing that this process has asked for is answered, nor ends.
func TestAProcessWhoseWorkDoesNotStopIsGoneBeforeItsSessionLapses(t *testing.T) {
	for _, leaving := range []bool{false, true} {
		inWorld(t, 4, func(w *world) {
			a := w.stubborn("a")
			a.start()
			w.settled(time.Second, a)
			w.pass(5 * time.Second)
			last := w.sessionLease("a").Spec.RenewTime.Time
			a.client.IgnoreContexts()
			a.client.Partition()
			a.client.CutWatches()
			if leaving {
				a.stop()
			}
			if err := a.result(20 * time.Second); !errors.Is(err, elector.ErrDrainTimeout) {
				t.Errorf("Start returned %v", err)
			}
			if took := time.Since(last); took > 15*time.Second {
				t.Errorf("leaving %v: Start returned %v after the last renewal", leaving, took)
			}
		})
	}
}

// A shard that is being given back is held until its work has ended, and can be lost meanwhile.
func TestTheLossOfAShardIsNoticedWhileItsWorkEnds(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		a := w.stubborn("a")
		a.start()
		w.settled(time.Second, a)
		w.member("b").start()
		given := -1
		w.until(time.Second, "a shard is given back", func() bool {
			for i := range 2 {
				if isEnding(a, i) {
					given = i
				}
			}
			return given >= 0
		})
		if _, ok := a.Term(given); !ok {
			t.Error("a shard is not held any more though its work has not ended")
		}
		w.takeAway(given)
		w.pass(10 * time.Millisecond)
		if term, ok := a.Term(given); ok {
			t.Errorf("a shard that was lost is held for another %v", term.Remaining())
		}
		if err := a.result(5100 * time.Millisecond); !errors.Is(err, elector.ErrDrainTimeout) {
			t.Errorf("Start returned %v", err)
		}
	})
}

// An administrator puts back a record that names a's session, over that of b, whose work takes its time to end.
func TestAnOldRecordOfThisSessionIsNoClaim(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.drain = 4 * time.Second
		a := w.member("a").start()
		w.settled(time.Second, a)
		old := []coordinationv1.LeaseSpec{w.shardLease(0).Spec, w.shardLease(1).Spec}
		b := w.member("b").start()
		w.settled(10*time.Second, a, b)
		i := w.of(b)
		b.stop() // so that a wants it
		w.pass(100 * time.Millisecond)
		w.editShard(i, func(l *coordinationv1.Lease) { l.Spec = old[i] })
		w.settled(20*time.Second, a)
	})
}

// Of two with one Identity one has the session, and the other stands by, with a watch that has died. An administrator
// blanks the session's holder, and the other claims it. It must not take the session before for one that has lapsed.
func TestASessionThatIsReplacedUnseenMayLast(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.drain = 4 * time.Second
		a := w.member("a").start()
		w.settled(time.Second, a)
		b := w.member("a")
		b.start()
		w.pass(5 * time.Second)
		b.client.StallWatches()
		w.pass(time.Minute)
		w.editSession("a", func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil })
		w.until(40*time.Second, "the other serves", func() bool { return len(b.Held()) == 1 })
	})
}

// As above, but a has been frozen, and the Lease of the session that replaced a's is deleted at once.
func TestASessionThatIsReplacedTwiceMayLast(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.drain = 4 * time.Second
		a := w.member("a").start()
		w.settled(time.Second, a)
		b := w.twin("a").start()
		w.pass(time.Minute)
		a.crash()
		w.editSession("a", func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil })
		w.pass(time.Millisecond)
		if by := w.sessionLease("a").Spec.LeaseTransitions; *by != 1 {
			t.Fatalf("the session has changed hands %d times", *by)
		}
		w.server.Delete(testNamespace, names{testSet}.session("a"))
		w.until(40*time.Second, "the other serves", func() bool { return len(b.Held()) == 1 })
	})
}

// One of those that are left notices a little later than the other that the session has lapsed.
func TestNothingIsGivenToACrashedReplica(t *testing.T) {
	for _, n := range []int{7, 8, 10, 11} {
		for _, roles := range []string{"abc", "acb", "bac", "bca", "cab", "cba"} {
			inWorld(t, n, func(w *world) {
				crashed, quick, slow := w.member(roles[:1]), w.member(roles[1:2]), w.member(roles[2:])
				slow.start()
				w.settled(2*time.Second, slow) // so that it keeps one more than the others
				quick.start()
				crashed.start()
				w.settled(2*time.Second, crashed, quick, slow)
				w.pass(5 * time.Second)
				slow.client.Intercept(func(op leasetest.Op) leasetest.Fault {
					if op.Verb == "get" {
						return leasetest.Fault{Delay: 50 * time.Millisecond}
					}
					return leasetest.Fault{}
				})
				held := w.count(crashed)
				crashed.crash()
				if moves := w.movesIn(func() { w.settled(20*time.Second, quick, slow) }); moves != held {
					t.Errorf("%d, %s: %d shards moved, want the %d of the crashed\n%s", n, roles, moves, held, w.history())
				}
			})
		}
	}
}

// Something deletes the Lease of a shard whenever it is made.
func TestAShardThatIsLostAgainAndAgainIsClaimedSeldom(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		a := w.member("a").start()
		w.settled(time.Second, a)
		w.server.OnWrite(func(write leasetest.Write) {
			if write.Old == nil && write.New.Name == (names{testSet}).shard(0) {
				go func() {
					<-time.After(10 * time.Millisecond)
					w.server.Delete(testNamespace, write.New.Name)
				}()
			}
		})
		w.server.Delete(testNamespace, names{testSet}.shard(0))
		w.server.ResetRequests()
		w.pass(5 * time.Minute)
		if n := w.server.Requests("a", "create"); n < 10 || n > 60 {
			t.Errorf("it has made the Lease %d times in five minutes", n)
		}
		if n := w.count(a); n < 3 {
			t.Errorf("it serves %d other shards", n)
		}
	})
}

// A replica that has crashed keeps those with another number of shards out until its session has lapsed.
func TestACrashedReplicaWithAnotherNumberIsNotWaitedForForEver(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a := w.member("a").start()
		w.settled(time.Second, a)
		b := w.memberOf(16, "b")
		b.callbacks.OnOtherCount = func(error) {}
		b.start()
		w.pass(5 * time.Second)
		a.crash()
		w.pass(12 * time.Second)
		if held := b.Held(); len(held) > 0 {
			t.Errorf("b has %v though a's session lasts", held)
		}
		w.until(14*time.Second, "the other has all", func() bool { return len(b.Held()) == 16 })
	})
}

// isEnding reports whether the context of the shard's term has ended, and the term has not.
func isEnding(m *member, shard int) bool {
	m.Shards.mu.Lock()
	h := m.held[shard]
	m.Shards.mu.Unlock()
	return h != nil && h.part.Context().Err() != nil
}

// stubborn makes a replica whose work ends with its process.
func (w *world) stubborn(id string) *member {
	m := w.member(id)
	m.work = func(ctx context.Context, _ int) {
		<-ctx.Done()
		<-m.done
	}
	return m
}
