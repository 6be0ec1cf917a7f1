// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A renewal that was under way is carried out between the read that confirms the lapse and the write that ends the
// session.
func TestASessionIsEndedOnlyAsItHadLapsed(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		a, b := w.member("a").start(), w.member("b")
		w.settled(10*time.Second, a)
		a.crash()
		name := w.sessionLease("a").Name
		found, err := b.Shards.client.read(w.t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		w.pass(16 * time.Second)
		time.AfterFunc(20*time.Millisecond, func() {
			w.editSession("a", func(l *coordinationv1.Lease) { l.Spec.RenewTime = &metav1.MicroTime{Time: time.Now()} })
			if _, err := b.Shards.client.read(w.t.Context(), name); err != nil {
				t.Error(err)
			}
		})
		lapsed := session{name, micros(found.Spec.AcquireTime)}
		if err := b.Shards.client.confirm(w.t.Context(), lapsed, 50*time.Millisecond); err != nil {
			t.Error(err)
		}
		if got := holder(w.sessionLease("a")); got != "a" {
			t.Errorf("the session that was renewed is held by %q", got)
		}
	})
}
