// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/leasetest"
)

// leadTogether returns for how long two candidates led at the same time within d.
func leadTogether(a, b *candidate, d time.Duration) (both time.Duration) {
	const step = 10 * time.Millisecond
	for range d / step {
		time.Sleep(step)
		if a.IsLeader() && b.IsLeader() {
			both += step
		}
	}
	return both
}

// cutOffLeader returns a standby and a leader, with a fresh renewal, that reaches the API server no more.
func cutOffLeader(w *world) (standby, leader *candidate) {
	leader = w.candidate("leader").start()
	leader.leads(time.Second)
	standby = w.candidate("standby").start()
	time.Sleep(time.Minute)
	w.until(5*time.Second, "just renewed", func() bool { return leader.Remaining() > 9800*time.Millisecond })
	leader.client.Partition()
	return standby, leader
}

func TestWhatReplacesALeadersRecordDoesNotShortenTheWaitForIt(t *testing.T) {
	named := func(spec func(*coordinationv1.LeaseSpec)) *coordinationv1.Lease {
		l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: testLease}}
		spec(&l.Spec)
		return l
	}
	for name, replace := range map[string]func(w *world){
		"another holder's record, for a second": func(w *world) {
			w.server.Put(named(func(s *coordinationv1.LeaseSpec) {
				s.HolderIdentity, s.LeaseDurationSeconds, s.RenewTime = ptr.To("x"), ptr.To[int32](1), micro(time.Now())
			}))
		},
		"its own record, for a second": func(w *world) {
			w.edit(func(l *coordinationv1.Lease) { l.Spec.LeaseDurationSeconds = ptr.To[int32](1) })
		},
		"its own record, for a second, with a new time": func(w *world) {
			w.edit(func(l *coordinationv1.Lease) {
				l.Spec.LeaseDurationSeconds, l.Spec.RenewTime = ptr.To[int32](1), micro(time.Now())
			})
		},
		"a blank one in its place, edited": func(w *world) {
			w.server.Delete(testNamespace, testLease)
			time.Sleep(10 * time.Millisecond)
			w.server.Put(named(func(*coordinationv1.LeaseSpec) {}))
			time.Sleep(10 * time.Millisecond)
			w.edit(func(l *coordinationv1.Lease) {
				l.Spec.LeaseTransitions, l.Spec.RenewTime = ptr.To[int32](3), micro(time.Now())
			})
		},
		"nothing, then another holder's record, then nothing": func(w *world) {
			w.server.Delete(testNamespace, testLease)
			time.Sleep(10 * time.Millisecond)
			w.server.Put(named(func(s *coordinationv1.LeaseSpec) {
				s.HolderIdentity, s.LeaseDurationSeconds = ptr.To("x"), ptr.To[int32](1)
			}))
			time.Sleep(10 * time.Millisecond)
			w.server.Delete(testNamespace, testLease)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				standby, leader := cutOffLeader(w)
				replace(w)
				if both := leadTogether(standby, leader, 20*time.Second); both > 0 {
					t.Errorf("two leaders for %v", both)
				}
				standby.leads(time.Second)
			})
		})
	}
}

func TestAnOldCopyOfOurRecordIsNotOurs(t *testing.T) {
	for name, lose := range map[string]func(w *world, a *candidate){
		"lost, and nothing seen since": func(_ *world, a *candidate) { a.client.Partition() },
		"released":                     func(w *world, a *candidate) { _ = a.StepDown(w.t.Context()) },
		"lost": func(w *world, a *candidate) {
			a.client.Partition()
			w.until(2*time.Minute, "lapsed", func() bool { return !a.IsLeader() })
			time.Sleep(time.Minute)
			a.client.Heal()
			a.client.CutWatches()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				// Long enough for a to see the copy while b still leads.
				long := func(c *Config) { c.LeaseDuration, c.RenewDeadline = time.Minute, 50*time.Second }
				a := w.candidate("a", long).start()
				a.leads(time.Second)
				b := w.candidate("b", long).start()
				time.Sleep(time.Minute)
				backup := w.lease()
				lose(w, a)
				b.leads(2 * time.Minute)
				time.Sleep(time.Minute)
				w.until(5*time.Second, "just renewed", func() bool { return b.Remaining() > 49800*time.Millisecond })
				b.client.Partition()
				backup.ResourceVersion = ""
				w.server.Put(backup)
				w.server.Compact() // or a's next watch delivers what it has missed
				a.client.CutWatches()
				a.client.Heal()
				if both := leadTogether(a, b, time.Minute); both > 0 {
					t.Errorf("two leaders for %v", both)
				}
			})
		})
	}
}

func TestGuarantee8ACloneOfAProcessIsFoundOut(t *testing.T) {
	for name, annotated := range map[string]bool{"annotated": true, "annotations stripped": false} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				original, clone := w.candidate("same"), w.candidateOn(w.server.Client("clone"), "same")
				clone.self = original.self
				clone.view.self, clone.leases.self = original.self, original.self
				if !annotated {
					stripAnnotations(original.client)
					stripAnnotations(clone.client)
				}
				original.start().leads(time.Second)
				time.Sleep(700 * time.Millisecond)
				// What the clone remembers, too. From here on they differ.
				original.view.mu.Lock()
				clone.view.writes = append(clone.view.writes, original.view.writes...)
				original.view.mu.Unlock()
				clone.start()
				synctest.Wait()
				if clone.IsLeader() && original.IsLeader() {
					t.Fatal("two leaders at once")
				}
				if both := leadTogether(original, clone, time.Minute); both > 0 {
					t.Errorf("two leaders for %v of a minute", both)
				}
			})
		})
	}
}

func TestAWriteOfACloneAtTheSameMicrosecondIsNotOurs(t *testing.T) {
	sent := writing{renewed: time.Unix(1, 0), id: "first"}
	lease := held("me", 1)
	if !me.wrote(sent, lease) {
		t.Error("without an annotation the renewTime must do")
	}
	for signature, ours := range map[string]bool{
		me.signature(sent): true,
		me.signature(writing{renewed: sent.renewed, id: "second"}):   false,
		me.signature(writing{renewed: time.Unix(0, 0), id: "first"}): true, // left by an earlier write: the last was stripped of its own
		"garbage":                             true,
		author{"me", "other"}.signature(sent): false, // another process with this Identity
	} {
		lease.Annotations = map[string]string{WriterAnnotation: signature}
		if got := me.wrote(sent, lease); got != ours {
			t.Errorf("%q: ours: %t, want %t", signature, got, ours)
		}
	}
}

// stripAnnotations makes admission remove all annotations from what the client writes.
func stripAnnotations(c *leasetest.Client) {
	c.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
		if op.Lease != nil {
			op.Lease.Annotations = nil
		}
		return f
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
		stripAnnotations(a.client)
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
		if err := a.result(time.Second); err != nil || holder(w.lease()) != "" {
			t.Errorf("Start = %v, holder %q, want it released", err, holder(w.lease()))
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
						sleep(t.Context(), 15*time.Minute)
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
