// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

var errNoPods = apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("no role"))

func TestCrashDetectionCostsTwoWatchesHoweverManyReplicasThereAre(t *testing.T) {
	for r := 1; r <= 5; r++ {
		inWorld(t, 16, func(w *world) {
			all := w.fleet(r, atOnce)
			w.server.ResetRequests()
			w.pass(20 * time.Minute)
			for _, c := range all {
				if got := c.client.Watches("pods"); got != min(r-1, 2) {
					t.Errorf("R=%d: %s watches %d Pods", r, c.id, got)
				}
				if n := w.server.Requests(c.id, ""); n != w.server.Requests(c.id, "update") || n > 660 {
					t.Errorf("R=%d: %s sent%s in 20 minutes, want 20 renewals and their like a minute and nothing else", r, c.id, c.requests())
				}
			}
			all[0].stop()
			err := all[0].result(time.Minute)
			synctest.Wait()
			if err != nil || all[0].client.Watches() != 0 {
				t.Errorf("Start returned %v and left %d watches", err, all[0].client.Watches())
			}
		})
	}
}

func TestWithoutPermissionOnPodsAReplicaThatCrashesCostsLeaseDurationAndTheLogSaysSoOnce(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		all := w.fleet(3, atOnce)
		other := w.contained("other", atOnce)
		w.lines = &lineCounter{}
		other.logger = w.lines.logger()
		taken := other.podRequests(func(leasetest.Op) leasetest.Fault { return leasetest.Fault{Err: errNoPods} })
		other.start()
		w.pass(time.Hour)
		if n := len(taken()); n > 2*(60/2+15) {
			t.Errorf("%d requests about Pods in an hour", n)
		}
		const says = `level=INFO msg="cannot watch the Pod of another replica, so its crash is noticed after LeaseDuration"`
		if n := strings.Count(w.lines.String(), says); n != 1 || w.lines.count() != 2 {
			t.Errorf("logged %d times: %v", n, w.lines)
		}
		for _, c := range all[:2] {
			c.stop()
		}
		w.settled(time.Minute, all[2].member, other.member)
		w.pass(time.Second) // they watch until Start returns
		renewed := all[2].renewed()
		all[2].ends()
		w.settled(time.Minute, other.member)
		if took := time.Since(renewed); took < elector.DefaultLeaseDuration || took > elector.DefaultLeaseDuration+600*time.Millisecond {
			t.Errorf("served elsewhere %v after the last renewal, want LeaseDuration", took)
		}
	})
}

func TestAPermissionOnPodsThatIsGrantedIsFoundByAllReplicas(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		all := w.fleet(2, atOnce)
		victim, other := all[0], all[1]
		lines := &lineCounter{}
		other.logger = lines.logger()
		other.podRequests(func(leasetest.Op) leasetest.Fault { return leasetest.Fault{Err: errNoPods} })
		other.client.CutWatches("pods")
		w.pass(time.Hour)
		other.client.Intercept(nil)
		w.pass(2*time.Minute + time.Second)
		if !strings.Contains(lines.String(), `level=INFO msg="watching the Pods of other replicas works again"`) {
			t.Errorf("logged: %v", lines)
		}
		victim.ends()
		w.settled(soon, other.member)
	})
}

func TestCrashDetectionKeepsToAModestRateInALastingFault(t *testing.T) {
	for name, fault := range map[string]leasetest.Fault{
		"refused": {Err: errNoPods}, "errors": {Err: apierrors.NewInternalError(errors.New("boom"))}, "silence": {Hang: true},
	} {
		for _, resource := range []string{"pods", "all"} {
			t.Run(name+" "+resource, func(t *testing.T) {
				inWorld(t, 8, func(w *world) {
					all := w.fleet(4, atOnce)
					var pods atomic.Int32
					all[0].client.Intercept(func(op leasetest.Op) leasetest.Fault {
						switch {
						case op.Resource == "pods":
							pods.Add(1)
						case resource == "pods":
							return leasetest.Fault{}
						}
						return fault
					})
					all[0].client.CutWatches()
					w.pass(10 * time.Minute)
					pods.Store(0)
					w.pass(20 * time.Minute)
					limit := int32(2 * 20 / 2)
					if resource == "all" {
						limit = 0 // the end of another replica is of no use to one that sees nothing
					}
					if n := pods.Load(); n > limit {
						t.Errorf("%d requests about Pods in 20 minutes, want %d", n, limit)
					}
					all[0].client.Heal()
					w.pass(3 * time.Minute)
					all[1].ends()
					all[2].ends()
					w.settled(3*soon, all[0].member, all[3].member)
				})
			})
		}
	}
}

func TestRequestsAboutPodsThatHangKeepNothingWaiting(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		all := w.fleet(1, atOnce)
		other := w.contained("other", atOnce)
		other.podRequests(func(leasetest.Op) leasetest.Fault { return leasetest.Fault{Hang: true, IgnoreContext: true} })
		other.start()
		w.settled(time.Second, all[0].member, other.member)
		w.pass(time.Minute)
		other.stop()
		w.settled(soon, all[0].member)
		if err := other.result(time.Second); !errors.Is(err, elector.ErrRequestHung) {
			t.Errorf("Start returned %v", err)
		}
	})
}

// Whatever keeps writing annotations or removing them costs at most the detection.
func TestASessionWhoseAnnotationsAreEditedEndsWithItsContainer(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		all := w.fleet(2, 2*time.Second)
		victim, other := all[0], all[1]
		victim.ends()
		w.pass(time.Second)
		w.editSession(victim.id, func(l *coordinationv1.Lease) { l.Annotations = map[string]string{"x": "y"} })
		w.settled(time.Second+soon, other.member)
		if got := w.sessionLease(victim.id).Annotations[CrashedAnnotation]; got == "" {
			t.Error("the Lease does not say why its session is over")
		}
	})
}

func TestMetricsTellThatTheLastHolderHasCrashed(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		all := w.fleet(2, atOnce)
		all[0].ends()
		w.settled(soon, all[1].member)
		if got := testutil.ToFloat64(all[1].metrics.acquired.WithLabelValues(causeCrashed)); got != 4 {
			t.Errorf("%v shards of a crashed replica, want 4", got)
		}
	})
}

// An administrator has put the record of a dead process in the place of its successor's, which may not have noticed.
func TestARestoredSessionIsNotEndedBeforeTheOneInWhosePlaceItIs(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		all := w.fleet(2, atOnce)
		victim, other := all[0], all[1]
		old := w.sessionLease(victim.id)
		victim.ends()
		again := w.contained("again", atOnce, func(c *elector.Config) { c.Identity = victim.id })
		again.start()
		w.settled(20*time.Second, again.member, other.member)
		w.pass(5 * time.Second)
		again.kill()
		renewed := w.sessionLease(victim.id).Spec.RenewTime.Time
		w.server.Reapply(old)
		w.until(time.Minute, "the session is over", func() bool { return holder(w.sessionLease(victim.id)) == "" })
		if took := time.Since(renewed); took < elector.DefaultLeaseDuration {
			t.Errorf("its Lease was blanked %v after the last renewal of a replica that may live\n%s", took, w.history())
		}
		w.settled(soon, other.member)
	})
}
