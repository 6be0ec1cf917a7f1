// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/internal/lease"
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

// A label says nothing about who held the Lease before it: the record may have been put back, after another holder's.
// Nor is the Lease free.
func TestAnEditThatWasNotSeenKeepsTheRecordInOurName(t *testing.T) {
	for name, end := range map[string]func(c *candidate) error{
		"stop":      func(c *candidate) error { c.stop(); return c.result(time.Second) },
		"step down": func(c *candidate) error { return c.StepDown(c.w.t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				c := w.candidate("leader", func(c *Config) { c.ReleaseOnCancel = true }).start()
				c.leads(time.Second)
				c.client.Partition()
				w.until(time.Minute, "lost", func() bool { return !c.IsLeader() })
				time.Sleep(time.Second) // by its clock others may have led
				w.edit(func(l *coordinationv1.Lease) { metav1.SetMetaDataLabel(&l.ObjectMeta, "edited", "true") })
				c.client.Heal()
				c.client.CutWatches()
				time.Sleep(5 * time.Second)
				if err := end(c); !errors.Is(err, ErrNotReleased) {
					t.Errorf("%v, want ErrNotReleased", err)
				}
				if lease.Holder(w.lease()) != "leader" {
					t.Errorf("the Lease is held by %q", lease.Holder(w.lease()))
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
				if !annotated {
					w.stripAnnotations()
				}
				original.start().leads(time.Second)
				time.Sleep(700 * time.Millisecond)
				// What the clone remembers, too. From here on they differ.
				clone.leases.Impersonate(original.leases)
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
