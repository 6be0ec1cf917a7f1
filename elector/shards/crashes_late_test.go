// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-elector/elector/elector"
)

// A renewal that was under way when its process died may be carried out after the report.
func TestARenewalFromBeforeTheEndDoesNotKeepTheSession(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		all := w.fleet(3, 2*time.Second)
		sent := metav1.NewMicroTime(time.Now().Add(-10 * time.Millisecond))
		all[0].ends()
		w.pass(100 * time.Millisecond)
		w.editSession(all[0].id, func(l *coordinationv1.Lease) {
			l.Spec.RenewTime = &sent
			l.Annotations[elector.WriterAnnotation] = "nonce " + sent.UTC().Format(metav1.RFC3339Micro) + " id"
		})
		w.settled(1900*time.Millisecond+soon, members(all[1:])...)
	})
}
