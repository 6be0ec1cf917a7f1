// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// A process that was frozen finds everything lapsed when it wakes up, and what its watch has missed comes a moment
// later.
func TestALapsedSessionIsReadBeforeItsShardsAreClaimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := names{testSet}
		v := newView(n, 2, n.session("me"), 15*time.Second)
		version := 0
		see := func(name string, spec coordinationv1.LeaseSpec) {
			version++
			lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
				Name: name, UID: "1", ResourceVersion: strconv.Itoa(version), Labels: n.labels(2, nil),
			}, Spec: spec}
			v.saw(name, lease, lease.ResourceVersion)
		}
		held := func(by string, acquired time.Time) coordinationv1.LeaseSpec {
			return coordinationv1.LeaseSpec{
				HolderIdentity: ptr.To(by), LeaseDurationSeconds: ptr.To[int32](15),
				AcquireTime: &metav1.MicroTime{Time: acquired}, RenewTime: &metav1.MicroTime{Time: time.Now()},
			}
		}
		v.sawList(nil, "0", time.Now(), "")
		other := time.Now()
		see(n.session("other"), held("other", other))
		shard := held("other", time.Now())
		shard.RenewTime = &metav1.MicroTime{Time: other}
		see(n.shard(0), shard)
		see(n.shard(1), shard) // one of them should be ours
		<-time.After(15 * time.Second)
		see(n.session("me"), held("me", time.Now()))
		me := self{
			session: session{v.self, time.Now().UnixMicro()}, arrived: time.Now().Add(-time.Minute), settle: settle,
			grasp: func(int, *coordinationv1.Lease) grasp { return apart },
		}

		theirs := session{n.session("other"), other.UnixMicro()}
		d := v.decide(me, time.Now())
		if len(d.claim) > 0 || len(d.confirm) != 1 || d.confirm[0] != theirs {
			t.Errorf("lapsed, but not read: claims %v, confirms %v", d.claim, d.confirm)
		}
		see(n.session("other"), held("other", other)) // the read shows a renewal
		v.confirmed(theirs)
		if d := v.decide(me, time.Now()); len(d.claim) > 0 || len(d.confirm) > 0 {
			t.Errorf("renewed: claims %v, confirms %v", d.claim, d.confirm)
		}
		<-time.After(15 * time.Second)
		v.confirmed(theirs) // the read shows nothing new
		if d := v.decide(me, time.Now()); len(d.claim) != 2 || d.claim[0].cause != causeLapsed {
			t.Errorf("lapsed and read: claims %v", d.claim)
		}
	})
}
