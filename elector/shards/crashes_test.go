// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

// soon is how long after the kubelet's report all shards are served again, without a grace period.
const soon = 100 * time.Millisecond

func TestTheShardsOfAReplicaWhoseContainerHasEndedAreServedAtOnce(t *testing.T) {
	for r := 2; r <= 5; r++ {
		for n, report := range leasetest.TrueReports() {
			t.Run(fmt.Sprint(r, " ", report.Name), func(t *testing.T) {
				inWorld(t, 16, func(w *world) {
					all := w.fleet(r, atOnce)
					victim := all[n%r]
					crashed := w.count(victim.member)
					victim.kill()
					w.pass(700 * time.Millisecond)
					moves := w.movesIn(func() {
						victim.report(report)
						took := w.settled(soon, members(without(all, victim))...)
						t.Logf("R=%d: served %v after the report", r, took)
						w.pass(time.Minute)
					})
					if moves != crashed {
						t.Errorf("%d shards moved, want %d\n%s", moves, crashed, w.history())
					}
				})
			})
		}
	}
}

func TestAFalseReportEndsNoSession(t *testing.T) {
	for _, report := range leasetest.FalseReports() {
		t.Run(report.Name, func(t *testing.T) {
			inWorld(t, 8, func(w *world) {
				all := w.fleet(3, atOnce)
				victim := all[1]
				moves := w.movesIn(func() {
					victim.report(report)
					w.pass(time.Minute)
				})
				if moves != 0 || !w.balanced(members(all)...) {
					t.Errorf("%d shards moved, though the replica lives\n%s", moves, w.history())
				}
				renewed := victim.renewed()
				victim.kill() // and is not believed to be dead any sooner
				w.settled(time.Minute, members(without(all, victim))...)
				if took := time.Since(renewed); took < elector.DefaultLeaseDuration || took > elector.DefaultLeaseDuration+600*time.Millisecond {
					t.Errorf("served elsewhere %v after the last renewal, want LeaseDuration", took)
				}
			})
		})
	}
}

func TestTheGraceIsWaitedAfterTheReportOfACrash(t *testing.T) {
	fenced := func(refused bool) func(*elector.Config) {
		return func(c *elector.Config) {
			c.CrashDetection.Fenced = func(ctx context.Context) bool {
				if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > 5*time.Second {
					panic("Fenced may take longer than Grace")
				}
				return refused
			}
		}
	}
	none := func(*elector.Config) {}
	for name, test := range map[string]struct {
		grace, want time.Duration
		change      func(*elector.Config)
	}{
		"default":    {0, 5 * time.Second, none},
		"given":      {2 * time.Second, 2 * time.Second, none},
		"fenced":     {0, 0, fenced(true)},
		"not fenced": {0, 5 * time.Second, fenced(false)},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 16, func(w *world) {
				all := w.fleet(3, test.grace, test.change)
				all[0].ends()
				took := w.settled(test.want+soon, members(all[1:])...)
				t.Logf("served %v after the report", took)
				if took < test.want {
					t.Errorf("served %v after the report, want %v", took, test.want)
				}
			})
		})
	}
}

// A process that lives renews after a false report.
func TestARenewalAfterTheReportLeavesTheSessionToLapse(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		all := w.fleet(3, 3*time.Second)
		victim := all[1]
		moves := w.movesIn(func() {
			victim.report(leasetest.Exited(137)) // but it lives
			w.pass(time.Minute)
		})
		if moves != 0 || !w.balanced(members(all)...) {
			t.Errorf("%d shards moved, though their replica renews its session\n%s", moves, w.history())
		}
		renewed := victim.renewed()
		victim.kill()
		victim.report(leasetest.Exited(1))
		w.settled(time.Minute, members(without(all, victim))...)
		if took := time.Since(renewed); took < elector.DefaultLeaseDuration {
			t.Errorf("served elsewhere %v after the last renewal", took)
		}
	})
}

func TestReplicasThatDieTogetherAreAllFound(t *testing.T) {
	for _, grace := range []time.Duration{atOnce, 0} {
		for r := 3; r <= 5; r++ {
			for left := range r {
				inWorld(t, 16, func(w *world) {
					all := w.fleet(r, grace)
					for _, c := range without(all, all[left]) {
						c.kill()
					}
					w.pass(700 * time.Millisecond)
					for _, c := range without(all, all[left]) {
						c.report(leasetest.Exited(137))
					}
					want := 2 * soon
					if grace == 0 {
						want += 5 * time.Second
					}
					took := w.settled(want, all[left].member)
					t.Logf("R=%d: one serves all %v after the reports", r, took)
				})
			}
		}
	}
}

// A replica that is cut off, or whose watch of the Pod does not deliver, is one of two that watch.
func TestOneOfTwoThatWatchIsEnough(t *testing.T) {
	for name, disturb := range map[string]func(*contained){
		"cut off": func(c *contained) { c.kill() },
		"stalled": func(c *contained) { c.client.StallWatches("pods") },
	} {
		for watcher := range 2 {
			t.Run(fmt.Sprint(name, " ", watcher), func(t *testing.T) {
				inWorld(t, 16, func(w *world) {
					all := w.fleet(4, atOnce)
					disturb(all[watcher])
					w.pass(time.Second)
					all[2].ends()
					w.until(soon, "the session has ended", func() bool { return holder(w.sessionLease(all[2].id)) == "" })
				})
			})
		}
	}
}

func TestAWatchOfThePodThatHasDiedSilentlyIsReplacedWhenTheSessionIsSilent(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		all := w.fleet(2, atOnce)
		victim, other := all[0], all[1]
		taken := other.podRequests(nil)
		other.client.StallWatches("pods")
		renewed := victim.renewed()
		victim.ends()
		w.settled(time.Minute, other.member)
		if took := time.Since(renewed); took > 8*time.Second {
			t.Errorf("served elsewhere %v after the last renewal", took)
		}
		if got := taken(); len(got) == 0 || len(got) > 2 || got[0] != "get pod-"+victim.id {
			t.Errorf("%q", got)
		}
	})
}

// Nobody holds the shards but the process that has crashed, until the next one in its container does.
func TestAProcessFindsTheEndOfItsPredecessorsSession(t *testing.T) {
	for _, identity := range []string{"a", "another"} {
		t.Run(identity, func(t *testing.T) {
			inWorld(t, 16, func(w *world) {
				a := w.contained("a", atOnce)
				a.start()
				w.settled(time.Second, a.member)
				w.pass(time.Minute)
				a.ends()
				if err := a.container.Restart(); err != nil {
					t.Fatal(err)
				}
				again := w.in(a.container, "again", atOnce, func(c *elector.Config) { c.Identity = identity })
				again.start()
				took := w.settled(3*soon, again.member)
				t.Logf("served again after %v", took)
			})
		})
	}
}

// An old report stays in the Pod when the next process in it has a session.
func TestAnOldReportDoesNotEndTheNextProcessesSession(t *testing.T) {
	inWorld(t, 16, func(w *world) {
		all := w.fleet(3, atOnce)
		all[0].ends()
		if err := all[0].container.Restart(); err != nil {
			t.Fatal(err)
		}
		again := w.in(all[0].container, "again", atOnce)
		again.start()
		now := append(slices.Clone(all[1:]), again)
		w.settled(2*time.Second, members(now)...)
		moves := w.movesIn(func() { w.pass(time.Minute) })
		if moves != 0 || !w.balanced(members(now)...) {
			t.Errorf("%d shards moved\n%s", moves, w.history())
		}
	})
}

// The session's Lease is another's by the time its end is written.
func TestTheEndOfASessionIsACompareAndSwap(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		all := w.fleet(2, atOnce)
		all[1].client.Latency(100*time.Millisecond, 0)
		all[0].ends()
		w.pass(50 * time.Millisecond) // the write is under way
		w.editSession(all[0].id, func(l *coordinationv1.Lease) {
			somebody := "somebody"
			l.Spec.HolderIdentity = &somebody
		})
		w.pass(5 * time.Second)
		if got := holder(w.sessionLease(all[0].id)); got != "somebody" {
			t.Errorf("the holder is %q\n%s", got, w.history())
		}
	})
}

// Somebody has put another holder into the record of a process that is dead. The rest of it is that process's.
func TestASessionWhoseHolderWasWrittenByHandIsNotEnded(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		all := w.fleet(2, atOnce)
		victim, other := all[0], all[1]
		victim.kill()
		w.editSession(victim.id, func(l *coordinationv1.Lease) {
			somebody := "somebody"
			l.Spec.HolderIdentity = &somebody
		})
		edited := time.Now()
		victim.report(leasetest.Exited(137))
		w.until(time.Minute, "the session is over", func() bool { return holder(w.sessionLease(victim.id)) == "" })
		if took := time.Since(edited); took < elector.DefaultLeaseDuration {
			t.Errorf("its Lease was blanked %v after it was edited\n%s", took, w.history())
		}
		w.settled(time.Second, other.member)
	})
}

func TestAReplicaThatComesLaterBelievesThatASessionWasEnded(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		all := w.fleet(2, atOnce)
		victim, other := all[0], all[1]
		other.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
			if isShard(op) && op.Verb == "update" {
				f.Err = errForbidden
			}
			return f
		})
		victim.ends()
		w.pass(soon) // and nobody claims its shards
		later := w.contained("later", atOnce)
		later.start()
		w.until(3*soon, "the newcomer serves shards", func() bool { return w.count(later.member) > 0 })
	})
}
