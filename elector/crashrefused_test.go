// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kube-elector/elector/elector/leasetest"
)

var errNoPods = apierrors.NewForbidden(corev1.Resource("pods"), "pod-a", errors.New("no role"))

// lapses fails the test unless the candidate leads when the Lease has lapsed, and no earlier.
func (c contained) lapses(renewed time.Time) {
	c.w.t.Helper()
	c.leads(time.Minute)
	if took := time.Since(renewed); took < DefaultLeaseDuration || took > DefaultLeaseDuration+50*time.Millisecond {
		c.w.t.Errorf("%s leads %v after the last renewal, want LeaseDuration", c.id, took)
	}
}

func TestWithoutPermissionOnPodsACrashCostsLeaseDurationAndTheLogSaysSoOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.contained("a", atOnce)
		a.start()
		a.leads(time.Second)
		b := w.contained("b", atOnce)
		log := b.logged(slog.LevelInfo)
		requests := b.podRequests(func(leasetest.Op) leasetest.Fault { return leasetest.Fault{Err: errNoPods} })
		b.start()
		time.Sleep(time.Hour)
		if n := len(requests.take()); n > 60/2+15 {
			t.Errorf("%d requests about Pods in an hour", n)
		}
		const says = `level=INFO msg="cannot watch the leader's Pod, so its crash is noticed after LeaseDuration"`
		if n := strings.Count(log.String(), says); n != 1 || strings.Count(log.String(), "\n") != 2 {
			t.Errorf("logged %d times:\n%s", n, log)
		}
		renewed := w.lease().Spec.RenewTime.Time
		a.crash()
		b.lapses(renewed)
	})
}

func TestAPermissionOnPodsThatIsGrantedIsFound(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.contained("a", atOnce)
		a.start()
		a.leads(time.Second)
		b := w.contained("b", atOnce)
		log := b.logged(slog.LevelInfo)
		b.podRequests(func(leasetest.Op) leasetest.Fault { return leasetest.Fault{Err: errNoPods} })
		b.start()
		time.Sleep(time.Hour)
		b.client.Heal()
		time.Sleep(2*time.Minute + time.Second)
		if !strings.Contains(log.String(), `level=INFO msg="watching the leader's Pod works again"`) {
			t.Errorf("logged:\n%s", log)
		}
		a.ends()
		b.leadsAfter(0)
	})
}

func TestFailuresToWatchThePodAreTriedAgainMoreAndMoreSlowly(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.contained("a", atOnce)
		a.start()
		a.leads(time.Second)
		b := w.contained("b", atOnce)
		log := b.logged(slog.LevelInfo)
		var failing atomic.Bool
		failing.Store(true)
		requests := b.podRequests(func(leasetest.Op) (f leasetest.Fault) {
			if failing.Load() {
				f.Err = apierrors.NewInternalError(errors.New("boom"))
			}
			return f
		})
		b.start()
		time.Sleep(10 * time.Second)
		if n := len(requests.take()); n < 5 || n > 15 {
			t.Errorf("%d requests at first", n)
		}
		time.Sleep(time.Hour)
		if n := len(requests.take()); n > 60/2+15 || strings.Contains(log.String(), "Pod") {
			t.Errorf("%d requests in an hour, logged\n%s", n, log)
		}
		// The leader's silence is a reason to look at once.
		failing.Store(false)
		renewed := w.lease().Spec.RenewTime.Time
		a.ends()
		b.leads(time.Minute)
		if took := time.Since(renewed); took > DefaultRenewDeadline { // the next try of the watch might come in 30 s
			t.Errorf("%s leads %v after the last renewal", b.id, took)
		}
	})
}

func TestAStandbyThatCanWatchNothingLearnsHowOftenTheHolderRenews(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.contained("a", atOnce, durations(137*time.Second, 107*time.Second, 26*time.Second))
		a.start()
		a.leads(time.Second)
		b := w.contained("b", atOnce)
		b.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
			if op.Verb == "watch" {
				f.Err = apierrors.NewInternalError(errors.New("boom"))
			}
			return f
		})
		b.start()
		time.Sleep(time.Minute)
		w.server.ResetRequests()
		time.Sleep(time.Hour)
		if n := w.server.Requests(b.id, ""); n > 20*60 {
			t.Errorf("%d requests in an hour", n)
		}
	})
}

// Polls see the Lease change late, which is not the holder's silence.
func TestAStandbyThatCanWatchNothingAsksAboutThePodOnlyWhenTheHolderIsSilent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.contained("a", atOnce)
		a.start()
		a.leads(time.Second)
		b := w.contained("b", atOnce)
		var gets, watches atomic.Int32
		b.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
			switch {
			case op.Verb == "watch":
				f.Err = apierrors.NewInternalError(errors.New("boom"))
				watches.Add(1)
			case op.Resource == "pods":
				gets.Add(1)
			}
			return f
		})
		b.start()
		time.Sleep(time.Hour)
		if gets, watches := gets.Load(), watches.Load(); gets > 0 || watches > 2*(2*60+15) {
			t.Errorf("%d reads of the Pod and %d tries to watch something in an hour", gets, watches)
		}
		renewed := w.lease().Spec.RenewTime.Time
		a.ends()
		b.leads(time.Minute)
		// A poll sees the renewal 1.75 RetryPeriods late at most, one and a half later it is missed, which the next poll
		// notices, and a read comes before the claim.
		if took := time.Since(renewed); gets.Load() == 0 || took > 7*DefaultRetryPeriod {
			t.Errorf("%s leads %v after the last renewal, with %d reads of the Pod", b.id, took, gets.Load())
		}
	})
}

func TestRequestsAboutPodsThatHangKeepNothingWaiting(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.contained("a", atOnce)
		a.start()
		a.leads(time.Second)
		b := w.contained("b", atOnce)
		b.podRequests(func(leasetest.Op) leasetest.Fault { return leasetest.Fault{Hang: true, IgnoreContext: true} })
		b.start()
		time.Sleep(time.Minute)
		a.stop()
		b.leadsAfter(0)
		b.stop()
		if err := b.result(DefaultDrainTimeout); !errors.Is(err, ErrRequestHung) || !strings.Contains(fmt.Sprint(err), "watch Pod") {
			t.Errorf("Start returned %v", err)
		}
		b.client.Heal()
	})
}

func TestNobodyIsOfferedCrashDetectionWithoutItsContainer(t *testing.T) {
	for name, test := range map[string]struct {
		log, want string
	}{
		"no such log":      {"/nonexistent/log", "no such file or directory"},
		"not its log":      {"/dev/null", "not a regular file"},
		"no log was given": {"", "termination logs of a container of the Pod"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				b := w.contained("b", atOnce, func(c *Config) { c.CrashDetection.TerminationLog = test.log })
				log := b.logged(slog.LevelInfo)
				b.start()
				b.leads(time.Second)
				time.Sleep(time.Hour)
				const says = `level=INFO msg="crash detection is off for this replica`
				if n := strings.Count(log.String(), says); n != 1 || !strings.Contains(log.String(), test.want) {
					t.Errorf("logged %d times, want %s:\n%s", n, test.want, log)
				}
				if text, ok := w.lease().Annotations[ContainerAnnotation]; ok {
					t.Errorf("the Lease says %q", text)
				}
			})
		})
	}
}
