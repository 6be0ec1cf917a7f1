// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// controller-runtime's manager runs client-go's LeaderElector, so what holds for the one holds for the other.

func TestWeTakeOverFromPlainClientGoAtOnceAfterItsRelease(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		plain := clientGo(t, w.server.Client("plain"), "plain")
		stop := plain.start(t)
		w.until(time.Minute, "plain works", plain.works)
		a := w.candidate("a").start()
		time.Sleep(time.Minute)
		if a.GetLeader() != "plain" {
			t.Errorf("GetLeader = %q", a.GetLeader())
		}
		stop()
		a.leads(time.Millisecond)
		if n := *w.lease().Spec.LeaseTransitions; n != 1 {
			t.Errorf("leaseTransitions = %d, want 1", n)
		}
	})
}

func TestWeTakeOverFromPlainClientGoWhenItsTimeHasPassed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		plain := clientGo(t, w.server.Client("plain"), "plain")
		plain.start(t)
		w.until(time.Minute, "plain works", plain.works)
		a := w.candidate("a").start()
		time.Sleep(time.Minute + time.Second) // between two renewals
		renewed := w.lastRenewal()
		plain.client.Partition()
		a.leads(time.Minute)
		if after := time.Since(renewed); after < DefaultLeaseDuration || after > DefaultLeaseDuration+time.Millisecond {
			t.Errorf("leads %v after its last renewal, want LeaseDuration", after)
		}
	})
}

func TestPlainClientGoTakesOverFromUs(t *testing.T) {
	for name, leave := range map[string]func(*candidate){
		"after a release": func(c *candidate) { c.stop() },
		"after a crash":   func(c *candidate) { c.crash() },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a").start()
				a.leads(time.Second)
				plain := clientGo(t, w.server.Client("plain"), "plain")
				plain.start(t)
				time.Sleep(time.Minute)
				leave(a)
				w.until(25*time.Second, "plain works", func() bool {
					if a.IsLeader() && plain.works() {
						t.Fatal("two leaders")
					}
					return plain.works()
				})
			})
		})
	}
}

func TestAMixedCrowdNeverHasTwoLeaders(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		// Labels are edited, ours are cut off and healed and step down. client-go is only restarted: its own defects are not
		// the matter here.
		a, b := w.candidate("a").start(), w.candidate("b").start()
		plain := clientGo(t, w.server.Client("plain"), "plain")
		stop := plain.start(t)
		led := map[string]int{}
		for range 5000 {
			time.Sleep(rand.N(4 * time.Second))
			synctest.Wait()
			var leaders []string
			for id, leads := range map[string]bool{"a": a.IsLeader(), "b": b.IsLeader(), "plain": plain.works()} {
				if leads {
					leaders = append(leaders, id)
					led[id]++
				}
			}
			if len(leaders) > 1 {
				t.Fatalf("two leaders: %v", leaders)
			}
			switch one := []*candidate{a, b}[rand.IntN(2)]; rand.IntN(12) {
			case 0:
				one.client.Partition()
			case 1, 2, 3:
				one.client.Heal()
			case 4:
				w.edit(func(l *coordinationv1.Lease) { l.Labels = map[string]string{"n": time.Now().Format("150405")} })
			case 5:
				if rand.IntN(10) == 0 {
					stop() // releasing, while all is well with it
					time.Sleep(100 * time.Millisecond)
					stop = plain.start(t)
				}
			case 6:
				go one.StepDown(t.Context()) //nolint:errcheck // whatever becomes of it
			}
		}
		if led["a"] == 0 || led["b"] == 0 || led["plain"] == 0 {
			t.Errorf("not everybody led: %v", led)
		}
	})
}
