// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/shards"
)

// noon is now in these tests.
var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) *metav1.MicroTime { return &metav1.MicroTime{Time: noon.Add(d)} }

// leaseOf returns a Lease of client-go that was renewed a second ago.
func leaseOf(holder string, change ...func(*coordinationv1.Lease)) *coordinationv1.Lease {
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "operator", ResourceVersion: "200"},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: ptr.To(holder), LeaseDurationSeconds: ptr.To[int32](15), LeaseTransitions: ptr.To[int32](4),
			AcquireTime: at(-3 * time.Hour), RenewTime: at(-time.Second),
		},
	}
	for _, f := range change {
		f(lease)
	}
	return lease
}

// signed makes the Lease an elector's, with the token.
func signed(token string) func(*coordinationv1.Lease) {
	return func(lease *coordinationv1.Lease) {
		lease.Annotations = map[string]string{
			elector.WriterAnnotation:      "nonce " + lease.Spec.RenewTime.UTC().Format(metav1.RFC3339Micro) + " id",
			elector.LeaderTokenAnnotation: token,
		}
	}
}

func TestTheStateFollowsFromTheTimesInTheLease(t *testing.T) {
	spec := func(change func(*coordinationv1.LeaseSpec)) func(*coordinationv1.Lease) {
		return func(l *coordinationv1.Lease) { change(&l.Spec) }
	}
	for name, try := range map[string]struct {
		lease *coordinationv1.Lease
		state state
		cell  string
	}{
		"held":              {leaseOf("a"), held, "14s"},
		"lapsed":            {leaseOf("a", spec(func(s *coordinationv1.LeaseSpec) { s.RenewTime = at(-time.Minute) })), lapsed, "lapsed"},
		"free":              {leaseOf(""), free, "free"},
		"no holder":         {leaseOf("", spec(func(s *coordinationv1.LeaseSpec) { s.HolderIdentity = nil })), free, "free"},
		"nothing":           {&coordinationv1.Lease{}, free, "free"},
		"no renewTime":      {leaseOf("a", spec(func(s *coordinationv1.LeaseSpec) { s.RenewTime = nil })), unknown, "?"},
		"no duration":       {leaseOf("a", spec(func(s *coordinationv1.LeaseSpec) { s.LeaseDurationSeconds = nil })), unknown, "?"},
		"duration of zero":  {leaseOf("a", spec(func(s *coordinationv1.LeaseSpec) { s.LeaseDurationSeconds = ptr.To[int32](0) })), unknown, "?"},
		"negative duration": {leaseOf("a", spec(func(s *coordinationv1.LeaseSpec) { s.LeaseDurationSeconds = ptr.To[int32](-5) })), unknown, "?"},
		"longest duration":  {leaseOf("a", spec(func(s *coordinationv1.LeaseSpec) { s.LeaseDurationSeconds = ptr.To[int32](math.MaxInt32) })), held, "68y"},
		"a clock ahead":     {leaseOf("a", spec(func(s *coordinationv1.LeaseSpec) { s.RenewTime = at(time.Hour) })), held, "60m"},
		"renewed in year 9999": {leaseOf("a", spec(func(s *coordinationv1.LeaseSpec) {
			s.RenewTime = &metav1.MicroTime{Time: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
			s.LeaseDurationSeconds = ptr.To[int32](math.MaxInt32)
		})), held, "168y"},
		"renewed in year 2": {leaseOf("a", spec(func(s *coordinationv1.LeaseSpec) {
			s.RenewTime = &metav1.MicroTime{Time: time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC)}
		})), lapsed, "lapsed"},
		"renewed in year 1":   {leaseOf("a", spec(func(s *coordinationv1.LeaseSpec) { s.RenewTime = &metav1.MicroTime{} })), unknown, "?"},
		"negative transition": {leaseOf("a", spec(func(s *coordinationv1.LeaseSpec) { s.LeaseTransitions = ptr.To[int32](-1) })), held, "14s"},
	} {
		t.Run(name, func(t *testing.T) {
			r := reportOf(try.lease, noon)
			if r.State != try.state || r.lapsesCell().text != try.cell {
				t.Errorf("it is %s, and lapses in %s, want %s and %s", r.State, r.lapsesCell().text, try.state, try.cell)
			}
			if _, err := json.Marshal(r); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheKindOfALeaseIsTold(t *testing.T) {
	labelled := func(key, value string) func(*coordinationv1.Lease) {
		return func(l *coordinationv1.Lease) { l.Labels = map[string]string{key: value} }
	}
	named := func(name string) func(*coordinationv1.Lease) {
		return func(l *coordinationv1.Lease) { l.Name = name }
	}
	for want, lease := range map[kind]*coordinationv1.Lease{
		ofOther:     leaseOf("a"),
		ofElector:   leaseOf("a", signed("100")),
		ofSession:   leaseOf("a", labelled(shards.SetLabel, "set"), named("set-replica-00ff")),
		ofShard:     leaseOf("a", labelled(shards.SetLabel, "set"), named("set-shard-12")),
		ofAPIServer: leaseOf("a", labelled("apiserver.kubernetes.io/identity", "kube-apiserver")),
		ofNode:      leaseOf("a", func(l *coordinationv1.Lease) { l.Namespace = "kube-node-lease" }),
	} {
		if got := reportOf(lease, noon).Kind; got != want {
			t.Errorf("%s is taken for %s", want, got)
		}
	}
}

func TestAnElectorsLeaseSaysMore(t *testing.T) {
	r := reportOf(leaseOf("a", signed("100")), noon)
	if r.Token != "100" || !r.ObeysStepDown {
		t.Errorf("token %q, obeys: %t", r.Token, r.ObeysStepDown)
	}
	r = reportOf(leaseOf("a"), noon)
	if r.Token != "" || r.ObeysStepDown {
		t.Errorf("of client-go: token %q, obeys: %t", r.Token, r.ObeysStepDown)
	}
}

func TestAShardIsHeldAsLongAsItsHoldersSession(t *testing.T) {
	lease := func(name, holder string, acquired, renewed time.Duration) coordinationv1.Lease {
		return *leaseOf(holder, func(l *coordinationv1.Lease) {
			l.Name, l.Labels = name, map[string]string{shards.SetLabel: "set"}
			l.Spec.AcquireTime, l.Spec.RenewTime = at(acquired), at(renewed)
		})
	}
	reports := reportsOf([]coordinationv1.Lease{
		lease("set-shard-0", "a", -time.Minute, -time.Hour), // of a's session, which began an hour ago
		lease("set-shard-1", "b", -time.Minute, -time.Hour),
		lease("set-shard-2", "a", -time.Minute, -2*time.Hour), // of a's session before that
		lease("set-replica-a", "a", -time.Hour, -time.Second),
		lease("set-replica-b", "b", -time.Hour, -20*time.Second),
	}, noon)
	for i, want := range []state{held, lapsed, lapsed, held, lapsed} {
		if reports[i].State != want {
			t.Errorf("%s is %s, want %s", reports[i].Name, reports[i].State, want)
		}
	}
	if got := reports[0].renewed.d; got != time.Second {
		t.Errorf("the shard's session was renewed %v ago, want 1s", got)
	}
}
