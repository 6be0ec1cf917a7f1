// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-elector/elector/elector/leasetest"
)

// A process that lives renews after a false report.
func TestARenewalAfterTheReportMakesItDoubtful(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.led(3 * time.Second)
		a.report(leasetest.Exited(137)) // but it lives
		time.Sleep(time.Minute)
		if !a.IsLeader() || b.IsLeader() {
			t.Errorf("a holder that renews was replaced\n%s", w.log)
		}
		renewed := w.lease().Spec.RenewTime.Time
		a.crash()
		a.w.server.EditPod(testNamespace, "pod-a", func(p *corev1.Pod) { p.Labels = map[string]string{"x": "y"} })
		b.leads(time.Minute)
		if took := time.Since(renewed); took < DefaultLeaseDuration {
			t.Errorf("claimed %v after the last renewal", took)
		}
	})
}

// A renewal that was under way when its process died may be carried out after the report.
func TestARenewalFromBeforeTheEndMakesNothingDoubtful(t *testing.T) {
	for name, atSecond := range map[string]time.Duration{"early in a second": 50 * time.Millisecond, "late in a second": 950 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.led(2 * time.Second)
				time.Sleep(atSecond)
				sent := metav1.NewMicroTime(time.Now().Add(-10 * time.Millisecond))
				a.ends()
				time.Sleep(100 * time.Millisecond)
				w.edit(func(l *coordinationv1.Lease) {
					l.Spec.RenewTime = &sent
					l.Annotations[WriterAnnotation] = "nonce " + sent.UTC().Format(metav1.RFC3339Micro) + " id"
				})
				b.leadsAfter(1900 * time.Millisecond)
			})
		})
	}
}

// A leader that is silent without a report, as one whose node is lost, is a reason to look at its Pod once.
func TestThePodOfASilentLeaderIsReadOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.contained("a", atOnce)
		a.start()
		a.leads(time.Second)
		b := w.contained("b", atOnce)
		requests := b.podRequests(nil)
		b.start()
		time.Sleep(time.Minute + time.Second)
		requests.take()
		renewed := w.lease().Spec.RenewTime.Time
		a.crash()
		b.lapses(renewed)
		if got := requests.take(); len(got) != 2 { // one read, and a new watch
			t.Errorf("asked %q about the Pod", got)
		}
	})
}
