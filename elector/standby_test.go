// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/leasetest"
)

func TestStandbyClaimsAtOnceWhenThereIsNoLease(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		if took := a.leads(time.Second); took > 0 {
			t.Errorf("took %v, want no waiting", took)
		}
	})
}

func TestStandbyClaimsAtOnceWhenTheLeaseIsReleased(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		b := w.candidate("b").start()
		time.Sleep(time.Minute)
		a.stop()
		if took := b.leads(time.Second); took > 0 {
			t.Errorf("took %v, want no waiting", took)
		}
		w.wantOrder("a started", "b sees a", "a cancelled: elector stopped", "a returned", "a stopped", "b started")
	})
}

// crash cuts a candidate off as the death of its process does; what it still does can no longer be seen.
func (c *candidate) crash() { c.client.Partition() }

func TestStandbyClaimsExactlyWhenACrashedHoldersTimeHasPassed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		b := w.candidate("b").start()
		time.Sleep(61 * time.Second)
		renewed := w.lease().Spec.RenewTime.Time
		a.crash()
		b.leads(time.Minute)
		if took := time.Since(renewed); took < DefaultLeaseDuration || took > DefaultLeaseDuration+time.Millisecond {
			t.Errorf("claimed %v after the last renewal, want LeaseDuration", took)
		}
	})
}

func TestStandbyHonoursTheHoldersRecordedDuration(t *testing.T) {
	for name, c := range map[string]struct {
		recorded *int32
		want     time.Duration
	}{
		"shorter": {ptr.To[int32](4), 4 * time.Second},
		"longer":  {ptr.To[int32](40), 40 * time.Second},
		"none":    {nil, DefaultLeaseDuration},
		"zero":    {ptr.To[int32](0), DefaultLeaseDuration},
		"below":   {ptr.To[int32](-5), DefaultLeaseDuration},
		"absurd":  {ptr.To[int32](1 << 30), MaxLeaseDuration},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.server.Put(foreignLease("x", c.recorded))
				took := w.candidate("a").start().leads(time.Hour)
				if took < c.want || took > c.want+time.Millisecond {
					t.Errorf("claimed after %v, want %v", took, c.want)
				}
			})
		})
	}
}

func foreignLease(holder string, seconds *int32) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: testLease},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &holder, LeaseDurationSeconds: seconds,
			RenewTime: &metav1.MicroTime{Time: time.Now()}, LeaseTransitions: ptr.To[int32](3),
		},
	}
}

func TestAVanishedLeaseIsNotFreeBeforeItsHoldersTimeHasPassed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server.Put(foreignLease("x", ptr.To[int32](15)))
		seen := time.Now()
		a := w.candidate("a").start()
		time.Sleep(5 * time.Second)
		w.server.Delete(testNamespace, testLease)
		a.leads(time.Minute)
		if took := time.Since(seen); took < 15*time.Second || took > 15*time.Second+time.Millisecond {
			t.Errorf("claimed %v after the holder's last sign of life, want 15s", took)
		}
	})
}

func TestEditsOfLabelsAreNoSignOfLife(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server.Put(foreignLease("x", ptr.To[int32](15)))
		a := w.candidate("a").start()
		time.Sleep(10 * time.Second)
		w.edit(func(l *coordinationv1.Lease) { l.Labels = map[string]string{"k": "v"} })
		if took := a.leads(time.Minute); took > 5*time.Second+time.Millisecond {
			t.Errorf("claimed %v after the edit, want 5s", took)
		}
		if w.lease().Labels["k"] != "v" {
			t.Error("the edit was lost")
		}
	})
}

func TestALapsedLeaseThatIsEditedAllTheTimeCostsAModestRate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server.Put(foreignLease("dead", nil))
		a := w.candidate("a")
		a.client.Latency(10*time.Millisecond, 10*time.Millisecond)
		var requests atomic.Int64
		a.client.Intercept(func(leasetest.Op) (f leasetest.Fault) {
			requests.Add(1)
			return f
		})
		a.start()
		time.Sleep(DefaultLeaseDuration)
		requests.Store(0)
		for i := range 6000 { // in each read there is news before its answer
			w.edit(func(l *leaseObject) { l.Labels = map[string]string{"n": strconv.Itoa(i)} })
			time.Sleep(5 * time.Millisecond)
		}
		if n := requests.Load(); n > 20 {
			t.Errorf("%d requests in half a minute, want at most 20", n)
		}
		a.leads(15 * time.Second)
	})
}

func TestGuarantee9AStandbyDoesNotPoll(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.candidate("a").start().leads(time.Second)
		w.candidate("b").start()
		time.Sleep(time.Minute) // past the beginning
		w.server.ResetRequests()
		time.Sleep(10 * time.Hour)
		if n := w.server.Requests("b", ""); n > 20 {
			t.Errorf("the standby sent %d requests in 10 hours, want a new watch every half hour at most", n)
		}
		if n := w.server.Requests("a", "get"); n > 0 {
			t.Errorf("the leader sent %d reads", n)
		}
		// One renewal per RetryPeriod, as client-go has it.
		if n := w.server.Requests("a", ""); n > 30*60*10+20 {
			t.Errorf("the leader sent %d requests in 10 hours, want 30 a minute", n)
		}
	})
}

func TestGuarantee9ASilentlyDeadWatchIsFoundOutByOneRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		b := w.candidate("b").start()
		time.Sleep(time.Minute)
		b.client.StallWatches()
		w.server.ResetRequests()
		time.Sleep(time.Minute)
		if b.IsLeader() || !a.IsLeader() {
			t.Fatalf("a standby with a dead watch claimed a living holder's lease\n%s", w.log)
		}
		if n := w.server.Requests("b", "get"); n == 0 || n > 2 {
			t.Errorf("%d reads, want one to see that the holder lives and one with the new watch", n)
		}
		if n := w.server.Requests("b", "update"); n > 0 {
			t.Errorf("%d claims of a living holder's lease", n)
		}
		a.stop() // and the new watch works
		b.leads(time.Millisecond)
	})
}

func TestGuarantee9WithoutAWatchTheStandbyReads(t *testing.T) {
	for after, want := range map[time.Duration]struct{ took, every time.Duration }{
		30 * time.Second: {DefaultRetryPeriod * 12 / 10, 2200 * time.Millisecond},
		10 * time.Minute: {DefaultRetryPeriod * 7 / 4, 3500 * time.Millisecond},
	} {
		t.Run("after "+after.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a").start()
				a.leads(time.Second)
				b := w.candidate("b")
				b.client.Intercept(noWatch)
				b.start()
				time.Sleep(after - 10*time.Second)
				w.server.ResetRequests()
				time.Sleep(10 * time.Second)
				if n, want := w.server.Requests("b", "get"), int(10*time.Second/want.every); n < want-1 || n > want+1 {
					t.Errorf("%d reads in 10 seconds, want about %d", n, want)
				}
				a.stop()
				if took := b.leads(time.Minute); took > want.took+time.Millisecond {
					t.Errorf("claimed %v after the release, want %v", took, want.took)
				}
			})
		})
	}
}

func TestABrokenWatchIsReplacedWithoutLosingAnything(t *testing.T) {
	for name, breakWatch := range map[string]func(*world, *candidate){
		"closed":  func(_ *world, c *candidate) { c.client.CutWatches() },
		"expired": func(_ *world, c *candidate) { c.client.ExpireWatches() },
		"compacted": func(w *world, c *candidate) {
			c.client.Partition()
			c.client.CutWatches()
			time.Sleep(time.Second)
			w.server.Compact()
			c.client.Heal()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a").start()
				a.leads(time.Second)
				b := w.candidate("b").start()
				time.Sleep(time.Minute)
				breakWatch(w, b)
				a.stop() // perhaps before the new watch is open
				synctest.Wait()
				if took := b.leads(10 * time.Second); took > 6*time.Second {
					t.Errorf("claimed %v after the release", took)
				}
			})
		})
	}
}

func TestAStandbyWatchesFromWhatItReadOrFromNowIfThatIsForgotten(t *testing.T) {
	for name, test := range map[string]struct {
		age  func(*world)
		want string
	}{
		"fresh": {age: func(*world) {}, want: "get watch"},
		"forgotten": {age: func(w *world) {
			w.server.Put(&leaseObject{ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: "other"}})
			w.server.Compact()
		}, want: "get watch watch"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.server.Put(foreignLease("x", ptr.To[int32](15)))
				test.age(w)
				b, log := w.talking("b", slog.LevelWarn)
				var verbs []string // synctest.Wait orders its uses
				b.client.Intercept(func(op leasetest.Op) leasetest.Fault {
					verbs = append(verbs, op.Verb)
					return leasetest.Fault{}
				})
				b.start()
				time.Sleep(time.Second)
				synctest.Wait()
				if got := strings.Join(verbs, " "); got != test.want {
					t.Errorf("requests %s, want %s", got, test.want)
				}
				if lines := log.lines(t); len(lines) > 0 {
					t.Errorf("it says %q", lines)
				}
				w.isHeldBy("y") // and the watch delivers
				synctest.Wait()
				if leader := b.GetLeader(); leader != "y" {
					t.Errorf("the leader is %q", leader)
				}
			})
		})
	}
}
