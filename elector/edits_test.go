// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"maps"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/internal/wait"
)

// stripAnnotations makes admission remove all annotations from what is written.
func (w *world) stripAnnotations() {
	w.server.Admit(func(_ string, lease *coordinationv1.Lease) error {
		lease.Annotations = nil
		return nil
	})
}

func TestEditsOfAnnotationsChangeNoTerm(t *testing.T) {
	for name, edit := range map[string]func(annotations map[string]string){
		"removed":   func(annotations map[string]string) { clear(annotations) },
		"rewritten": func(annotations map[string]string) { annotations[WriterAnnotation] = "somebody else" },
		"filled": func(annotations map[string]string) {
			delete(annotations, "note")
			annotations["note"] = strings.Repeat("x", room(annotations)-len("note"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a").start()
				a.leads(time.Second)
				w.candidate("b").start()
				term, _ := a.Term()
				for range 100 {
					w.edit(func(l *coordinationv1.Lease) { edit(l.Annotations) })
					time.Sleep(time.Second)
					if term.Remaining() == 0 {
						t.Fatalf("the term has ended:\n%s", w.log)
					}
				}
			})
		})
	}
}

func TestAnnotationsStrippedFromEveryWriteChangeNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		w.stripAnnotations()
		log := a.logged(0)
		a.start().leads(time.Second)
		term, _ := a.Term()
		time.Sleep(10 * time.Minute)
		if term.Remaining() == 0 {
			t.Errorf("the term has ended:\n%s", w.log)
		}
		if strings.Contains(log.String(), "another process") {
			t.Errorf("blamed on another process:\n%s", log)
		}
		a.stop()
		if err := a.result(time.Second); err != nil || lease.Holder(w.lease()) != "" {
			t.Errorf("Start = %v, holder %q, want it released", err, lease.Holder(w.lease()))
		}
	})
}

func TestALeaseWhoseAnnotationsHaveNoRoomIsClaimed(t *testing.T) {
	for _, left := range []int{0, 20, 60, 100} {
		inWorld(t, func(t *testing.T, w *world) {
			note := map[string]string{"note": strings.Repeat("x", maxAnnotations-len("note")-left)}
			w.server.Put(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: testLease, Annotations: note}})
			w.candidate("a").start().leads(time.Second)
			if kept := w.lease().Annotations; kept["note"] != note["note"] {
				t.Errorf("with %d bytes left: the others' annotations were changed: %d of them", left, len(kept))
			}
		})
	}
}

func TestARenewalKeepsWhatOthersHaveEdited(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a", func(c *Config) { c.Labels = map[string]string{"team": "x"} }).start()
		a.leads(time.Second)
		w.edit(func(l *coordinationv1.Lease) {
			l.Spec.LeaseDurationSeconds, l.Spec.LeaseTransitions = ptr.To[int32](300), ptr.To[int32](77)
			l.Spec.PreferredHolder, l.Spec.Strategy = ptr.To("z"), ptr.To(coordinationv1.OldestEmulationVersion)
			l.Labels = map[string]string{"team": "y", "more": "z"}
		})
		time.Sleep(5 * time.Second)
		l := w.lease()
		if want := map[string]string{"team": "y", "more": "z"}; !maps.Equal(l.Labels, want) {
			t.Errorf("labels %v, want %v", l.Labels, want)
		}
		if n := ptr.Deref(l.Spec.LeaseTransitions, 0); n != 77 {
			t.Errorf("leaseTransitions %d, want 77", n)
		}
		if ptr.Deref(l.Spec.PreferredHolder, "") != "z" || l.Spec.Strategy == nil {
			t.Error("the fields for coordinated election were changed")
		}
		// The duration is the holder's promise to the others.
		if n := ptr.Deref(l.Spec.LeaseDurationSeconds, 0); n != 15 {
			t.Errorf("leaseDurationSeconds %d, want 15", n)
		}
		if !a.IsLeader() {
			t.Error("an edit ended the term")
		}
	})
}

// A client-go leader with a long lease renews it for the first time when MaxLeaseDuration has long passed.
func TestALongLeaseOfAHealthyHolderIsHonoured(t *testing.T) {
	for name, seen := range map[string]time.Duration{"seen from the beginning": time.Second, "seen just before a renewal": 14 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.server.Put(foreignLease("plain", ptr.To[int32](3600)))
				go func() {
					for range 12 {
						wait.Sleep(t.Context(), 15*time.Minute)
						w.edit(func(l *coordinationv1.Lease) { l.Spec.RenewTime = micro(time.Now()) })
					}
				}()
				time.Sleep(seen)
				a := w.candidate("a").start()
				for began := time.Now(); time.Since(began) < 3*time.Hour-seen; time.Sleep(30 * time.Second) {
					if a.IsLeader() {
						t.Fatalf("took the Lease of a holder that renews it, after %v", time.Since(began))
					}
				}
				if took := a.leads(2 * time.Hour); took < time.Hour-time.Second {
					t.Errorf("claimed %v after the last renewal, want an hour", took)
				}
			})
		})
	}
}
