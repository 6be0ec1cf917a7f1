// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"slices"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestARestartedReplicaWithItsOldNameGetsItsShardsBack(t *testing.T) {
	inWorld(t, 16, func(w *world) {
		a, b := w.two()
		held := b.Held()
		b.crash()
		config := testConfig("b")
		again := &member{w: w, id: "b", client: w.server.Client("b2"), done: make(chan struct{})}
		var err error
		again.Shards, err = New(&config, 16, again.client, Callbacks{
			OnStarted: func(ctx context.Context, shard int) { w.serve(ctx, again, shard) },
		}, w.logger("b2"))
		if err != nil {
			t.Fatal(err)
		}
		again.start()
		w.pass(12 * time.Second)
		if len(again.Held()) > 0 {
			t.Errorf("it has %v before the old process's time has passed", again.Held())
		}
		w.pass(8 * time.Second)
		w.settled(3*time.Second, a, again)
		same := 0
		for _, i := range again.Held() {
			if slices.Contains(held, i) {
				same++
			}
		}
		if same < 6 {
			t.Errorf("%d of its shards are those it had: %v, %v", same, held, again.Held())
		}
	})
}

func TestTwoReplicasWithOneIdentityNeverServeTogether(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a := w.member("a").start()
		w.settled(time.Second, a)
		config := testConfig("a")
		twin := &member{w: w, id: "a", client: w.server.Client("twin"), done: make(chan struct{})}
		twin.Shards, _ = New(&config, 8, twin.client, Callbacks{
			OnStarted: func(ctx context.Context, shard int) { w.serve(ctx, twin, shard) },
		}, w.logger("twin"))
		twin.start()
		w.pass(time.Minute)
		if len(twin.Held()) > 0 || !w.balanced(a) {
			t.Errorf("the twin has %v", twin.Held())
		}
		a.stop()
		w.settled(5*time.Second, twin)
	})
}

func TestTheLeasesOfReplicasThatAreGoneAreDeleted(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		a := w.member("a").start()
		for range 3 {
			b := w.member("b" + time.Now().String()).start()
			w.settled(time.Second, a, b)
			b.stop()
			w.settled(time.Second, a)
		}
		c := w.member("crashed").start()
		w.settled(time.Second, a, c)
		c.crash()
		w.server.Put(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
			Namespace: testNamespace, Name: names{testSet}.shard(9), Labels: names{testSet}.labels(64, nil),
		}})
		w.pass(30 * time.Minute)
		list := func() int {
			l, err := w.server.Client("admin").CoordinationV1().Leases(testNamespace).List(w.t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return len(l.Items)
		}
		if n := list(); n != 4+1+3+1+1 {
			t.Errorf("%d Leases after half an hour, want all", n)
		}
		w.pass(90 * time.Minute)
		if n := list(); n != 4+1 {
			t.Errorf("%d Leases after two hours, want 4 shards and one session", n)
		}
	})
}
