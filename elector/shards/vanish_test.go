// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"errors"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

var errConflict = apierrors.NewConflict(schema.GroupResource{Resource: "leases"}, "", errors.New("no"))

// An administrator deletes the Lease of a shard and makes a blank one, which has no label. The holder sees that the
// Lease has vanished, and may not read.
func TestAShardIsLostWhoseLeaseHasVanishedAndCannotBeRead(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		w.drain = 4 * time.Second
		a, b := w.two()
		i := w.of(a)
		a.client.Intercept(refuse(errForbidden, "get"))
		name := names{testSet}.shard(i)
		w.server.Delete(testNamespace, name)
		w.server.Put(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: name}})
		w.pass(5 * time.Second)
		if _, ok := a.Term(i); !ok {
			t.Errorf("the term has ended, though the others wait\n%s", w.history())
		}
		w.pass(5 * time.Second)
		if _, ok := a.Term(i); ok {
			t.Errorf("the term goes on\n%s", w.history())
		}
		w.settled(20*time.Second, a, b)
		if n := w.server.Requests("a", "get"); n > 15 {
			t.Errorf("%d reads in %v", n, time.Since(w.began))
		}
	})
}

// The same, while all watches are down. They list the others then, at a version newer than that of what they read.
func TestAShardIsLostWhoseLeaseWasReplacedWhileTheWatchWasDown(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		w.drain = 4 * time.Second
		a, b := w.two()
		i := w.of(a)
		for _, m := range []*member{a, b} {
			m.client.Intercept(refuse(apierrors.NewServiceUnavailable("down"), "watch", "list"))
			m.client.CutWatches()
		}
		name := names{testSet}.shard(i)
		w.server.Delete(testNamespace, name)
		w.server.Put(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: name}})
		w.pass(6 * time.Second)
		a.client.Intercept(nil)
		b.client.Intercept(nil)
		w.pass(8 * time.Second) // still sooner than another may claim; the next watch may be as long in coming
		if _, ok := a.Term(i); ok && !w.logged("lease taken over") {
			t.Errorf("the term goes on\n%s", w.history())
		}
		w.settled(20*time.Second, a, b)
	})
}

// The holder may read, but not put the label back. It goes on, and sees by reading when the Lease is deleted.
func TestAShardWhoseLeaseHasLostItsLabelIsLookedAfter(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a, _ := w.two()
		i := w.of(a)
		a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			if op.Verb == "update" && isShard(op) {
				return leasetest.Fault{Err: errForbidden}
			}
			return leasetest.Fault{}
		})
		w.editShard(i, func(l *coordinationv1.Lease) { delete(l.Labels, SetLabel) })
		w.pass(time.Minute)
		if _, ok := a.Term(i); !ok {
			t.Errorf("the term has ended\n%s", w.history())
		}
		if n := w.server.Requests("a", "get"); n > 60 {
			t.Errorf("%d reads in a minute", n)
		}
		w.server.Delete(testNamespace, names{testSet}.shard(i))
		w.pass(7 * time.Second)
		if _, ok := a.Term(i); ok && !w.logged("lease deleted") {
			t.Errorf("the term goes on without a Lease\n%s", w.history())
		}
	})
}

func TestAReplicaThatCannotSayThatItLeavesTriesSeldom(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		w.drain = 20 * time.Second
		a, _ := w.two()
		tries := 0
		a.client.Latency(time.Millisecond, time.Millisecond)
		a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			if op.Verb == "update" && op.Lease.Annotations[LeavingAnnotation] != "" {
				tries++
				return leasetest.Fault{Err: errConflict}
			}
			return leasetest.Fault{}
		})
		a.stop()
		if err := a.result(25 * time.Second); err != nil {
			t.Error(err)
		}
		if tries < 3 || tries > 30 {
			t.Errorf("%d tries in 20 s", tries)
		}
	})
}

// The API server, or what is in front of it, says 404 though there is a Lease.
func TestALeaseThatIsSaidToBeMissingIsNotBelieved(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a := w.member("a").start()
		w.settled(time.Second, a)
		b := w.member("b", func(c *elector.Config) {
			c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = time.Minute, 40*time.Second, 5*time.Second
		}).start()
		w.settled(10*time.Second, a, b)
		b.client.Intercept(refuse(apierrors.NewNotFound(schema.GroupResource{Resource: "leases"}, ""), "get", "list", "watch"))
		b.client.CutWatches()
		w.pass(39 * time.Second)
		if held := a.Held(); len(held) != 4 {
			t.Errorf("a has %v\n%s", held, w.history())
		}
	})
}
