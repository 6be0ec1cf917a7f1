// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/leasetest"
)

// podRequests counts the candidate's requests about Pods, and lets fault decide about them unless it is nil.
type podRequests struct {
	mu   sync.Mutex // guards what
	what []string
}

func (c *candidate) podRequests(fault func(leasetest.Op) leasetest.Fault) *podRequests {
	r := &podRequests{}
	c.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
		if op.Resource != "pods" {
			return f
		}
		r.mu.Lock()
		r.what = append(r.what, op.Verb+" "+op.Namespace+"/"+op.Name)
		r.mu.Unlock()
		if fault != nil {
			f = fault(op)
		}
		return f
	})
	return r
}

func (r *podRequests) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	what := r.what
	r.what = nil
	return what
}

func TestCrashDetectionCostsAStandbyOneWatchMore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.contained("a", atOnce)
		atLeader := a.podRequests(nil)
		a.start()
		a.leads(time.Second)
		b := w.contained("b", atOnce)
		atStandby := b.podRequests(nil)
		b.start()
		time.Sleep(time.Minute)
		if got := atStandby.take(); len(got) != 1 || got[0] != "watch "+testNamespace+"/pod-a" || b.client.Watches() != 2 {
			t.Errorf("%q, %d watches", got, b.client.Watches())
		}
		w.server.ResetRequests()
		time.Sleep(29 * time.Minute) // shorter than any watch
		if n := w.server.Requests("b", ""); n != 0 {
			t.Errorf("%d requests in 29 minutes, %q", n, atStandby.take())
		}
		if got := atLeader.take(); len(got) != 0 || a.client.Watches() != 1 {
			t.Errorf("the leader: %q, %d watches", got, a.client.Watches())
		}
		a.stop()
		b.leads(time.Second)
		synctest.Wait()
		if n := b.client.Watches(); n != 1 {
			t.Errorf("as the leader it has %d watches", n)
		}
	})
}

func TestOnlyThePodOfAnotherProcessThatCanBeProvenDeadIsWatched(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start() // without crash detection
		a.leads(time.Second)
		b := w.contained("b", atOnce)
		requests := b.podRequests(nil)
		b.start()
		for _, annotation := range []string{"rubbish", "ns/p uid", strings.Repeat("x", 100<<10), "ns/pod 1 " + strings.Repeat("A", 26) + " main more"} {
			w.edit(func(l *coordinationv1.Lease) { l.Annotations[ContainerAnnotation] = lease.Tied(annotation, "a") })
			time.Sleep(10 * time.Second)
		}
		if got := requests.take(); len(got) > 0 {
			t.Errorf("%q", got)
		}
		a.crash()
		for _, late := range []time.Duration{time.Hour, 0} { // an old copy of the annotations, and the record's own
			w.server.Delete(testNamespace, testLease)
			record := foreignLease("a", ptr.To[int32](15))
			record.Annotations = map[string]string{
				ContainerAnnotation: lease.Tied("ns/pod 1 "+strings.Repeat("A", 26), "a"),
				WriterAnnotation:    "nonce " + record.Spec.RenewTime.Add(-late).UTC().Format(metav1.RFC3339Micro) + " id",
			}
			w.server.Put(record)
			synctest.Wait()
			if got := requests.take(); (len(got) > 0) != (late == 0) {
				t.Errorf("with annotations that are %v old: %q", late, got)
			}
		}
	})
}

func TestAWatchOfThePodThatEndsIsOpenedAgain(t *testing.T) {
	for name, disturb := range map[string]func(w *world, c *leasetest.Client){
		"cut":                 func(_ *world, c *leasetest.Client) { c.CutWatches("pods") },
		"expired":             func(_ *world, c *leasetest.Client) { c.ExpireWatches("pods") },
		"expired, no history": func(w *world, c *leasetest.Client) { w.server.Compact(); c.CutWatches() },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(_ *testing.T, w *world) {
				a, b := w.led(atOnce)
				for range 3 {
					disturb(w, b.client)
					time.Sleep(time.Second / 4) // no renewal must be under way at the end
				}
				a.ends()
				b.leadsAfter(0)
			})
		})
	}
}

func TestAReportThatTheWatchHasMissedIsFoundWhenItIsOpenedAgain(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		a, b := w.led(atOnce)
		a.crash()
		b.client.StallWatches("pods")
		a.report(leasetest.Exited(1))
		synctest.Wait()
		b.client.CutWatches("pods")
		b.leadsAfter(0)
	})
}

// What shows that the watch is dead is that the leader is silent, too.
func TestAWatchOfThePodThatHasDiedSilentlyIsReplacedWhenTheLeaderIsSilent(t *testing.T) {
	for _, retry := range []time.Duration{time.Second / 2, DefaultRetryPeriod, 60 * time.Second} { // also longer than between two bookmarks
		inWorld(t, func(t *testing.T, w *world) {
			a, b := w.led(atOnce, durations(6*retry, 4*retry, retry))
			requests := b.podRequests(nil)
			b.client.StallWatches("pods")
			renewed := w.lease().Spec.RenewTime.Time
			a.ends()
			b.leads(7 * retry)
			if took := time.Since(renewed); took > 2*retry {
				t.Errorf("%s leads %v after the last renewal, RetryPeriod %v", b.id, took, retry)
			}
			if got := requests.take(); len(got) == 0 || len(got) > 2 || got[0] != "get "+testNamespace+"/pod-a" {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestALateReportIsBelievedWhenItComes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.led(atOnce)
		requests := b.podRequests(nil)
		a.crash()
		time.Sleep(9 * time.Second) // the kubelet was down
		if got := requests.take(); len(got) != 2 {
			t.Errorf("while the leader is silent: %q, want one look and another watch", got)
		}
		a.report(leasetest.Exited(137))
		b.leadsAfter(0)
	})
}

func TestAWatchOfThePodThatLagsCostsItsLag(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		a, b := w.led(atOnce)
		b.client.DelayWatches(3 * time.Second)
		time.Sleep(10 * time.Second)
		a.ends()
		b.leads(3*time.Second + 5*time.Millisecond)
	})
}

func TestTheWatchFollowsTheHolder(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.led(atOnce)
		c := w.contained("c", atOnce)
		requests := c.podRequests(nil)
		c.start()
		time.Sleep(time.Second / 2)             // no renewal must be under way
		c.client.DelayWatches(time.Millisecond) // or it might win
		for leader, next := range map[contained]contained{a: b} {
			leader.ends()
			next.leads(time.Second)
		}
		time.Sleep(time.Second)
		got := slices.DeleteFunc(requests.take(), func(what string) bool { return what == "get "+testNamespace+"/pod-a" }) // if it heard of b first
		if want := []string{"watch " + testNamespace + "/pod-a", "watch " + testNamespace + "/pod-b"}; !slices.Equal(got, want) || c.client.Watches("pods") != 1 {
			t.Errorf("%q, want %q", got, want)
		}
		c.client.Heal()
		b.ends()
		c.leads(2 * raceLeast) // it has lost a race
	})
}

// A standby may hear that another leads before it hears that the one before had crashed.
func TestASecondCrashIsNotPaidForByTheFirst(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.led(atOnce)
		c := w.contained("c", atOnce)
		c.start()
		time.Sleep(time.Second / 2) // no renewal must be under way
		c.client.StallWatches("pods")
		a.ends()
		b.leads(time.Second)
		time.Sleep(time.Second) // a crash loop, of all replicas one after the other
		b.ends()
		c.leads(2 * raceLeast)
	})
}

func TestAStandbyThatStopsEndsItsWatches(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, b := w.led(atOnce)
		b.stop()
		err := b.result(time.Second)
		synctest.Wait()
		if err != nil || b.client.Watches() != 0 {
			t.Errorf("Start returned %v and left %d watches", err, b.client.Watches())
		}
	})
}

func TestAClaimAfterACrashIsACompareAndSwap(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.led(atOnce)
		b.client.Latency(100*time.Millisecond, 0)
		a.ends()
		time.Sleep(50 * time.Millisecond) // the claim is under way
		w.edit(func(l *coordinationv1.Lease) {
			holder := "somebody"
			l.Spec.HolderIdentity = &holder
		})
		time.Sleep(5 * time.Second)
		if b.IsLeader() || lease.Holder(w.lease()) != "somebody" {
			t.Errorf("the holder is %s", lease.Holder(w.lease()))
		}
	})
}
