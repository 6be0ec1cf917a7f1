// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/leasetest"
)

// The replies to its claims arrive when the replica leaves.
func TestAReplicaThatLeavesBeginsNoShard(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		a := w.member("a")
		a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			if isShard(op) && op.Verb == "create" {
				return leasetest.Fault{ReplyDelay: 2 * time.Second}
			}
			return leasetest.Fault{}
		})
		a.start()
		w.pass(time.Second)
		a.stop()
		if err := a.result(1500 * time.Millisecond); err != nil {
			t.Errorf("Start returned %v", err)
		}
		if w.moves > 0 {
			t.Errorf("it has begun %d shards\n%s", w.moves, w.history())
		}
		for i := range 4 {
			if lease := w.shardLease(i); !released(lease) {
				t.Errorf("shard %d has the record %v", i, lease.Spec)
			}
		}
	})
}

// Before the replica gets its session, a shard appears of a set of another number, whose holder is not known.
func TestAReplicaThatWaitsForAnotherNumberLeavesAtOnce(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		a := w.member("a")
		a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			if op.Verb == "create" {
				now := metav1.NowMicro()
				w.server.Put(&coordinationv1.Lease{
					ObjectMeta: metav1.ObjectMeta{
						Namespace: testNamespace, Name: names{testSet}.shard(0), Labels: names{testSet}.labels(8, nil),
					},
					Spec: coordinationv1.LeaseSpec{HolderIdentity: ptr.To("x"), RenewTime: &now, AcquireTime: &now},
				})
			}
			return leasetest.Fault{}
		})
		a.start()
		w.pass(time.Second)
		a.stop()
		if err := a.result(100 * time.Millisecond); err != nil || w.moves > 0 {
			t.Errorf("Start returned %v, %d shards have begun", err, w.moves)
		}
	})
}
