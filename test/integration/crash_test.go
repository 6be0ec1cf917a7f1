// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

var crashes = flag.Int("crashes", 16, "how many crashes TestAStandbyLeadsAtOnceWhenTheLeadersContainerHasEnded and its like measure")

// contained is a candidate with crash detection in a container of its own.
type contained struct {
	*candidate
	kubelet *kubelet
	watches *podWatches
}

// podWatches notes the Pod that a candidate watches.
type podWatches struct {
	next http.RoundTripper
	open atomic.Value // of string: the name
}

func (w *podWatches) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := w.next.RoundTrip(r)
	query := r.URL.Query()
	if name, ok := strings.CutPrefix(query.Get("fieldSelector"), "metadata.name="); ok && strings.HasSuffix(r.URL.Path, "/pods") &&
		query.Has("watch") && err == nil && response.StatusCode == http.StatusOK {
		w.open.Store(name)
	}
	return response, err
}

func startContained(k *kubelet, id string, detection elector.CrashDetection, change ...func(*elector.Config)) contained {
	k.t.Helper()
	c := contained{kubelet: k, watches: &podWatches{}}
	detection.TerminationLog = k.env()
	config := rest.CopyConfig(restConfig)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		c.watches.next = next
		return c.watches
	})
	c.candidate = startCandidate(k.t, config, k.pod.Namespace, id, append(change, func(c *elector.Config) { c.CrashDetection = &detection })...)
	k.t.Cleanup(func() { c.cut.Store(false) }) // or it could not release what it may hold
	return c
}

// sees waits until the candidate watches the leader's Pod.
func (c contained) sees(leader contained) {
	c.t.Helper()
	eventually(c.t, "a watch of the leader's Pod", func() bool { return c.watches.open.Load() == leader.kubelet.pod.Name })
}

// atOnce waits for no grace period.
var atOnce = elector.CrashDetection{Grace: -1}

// The time from the write of the status to OnStartedLeading is what this package adds to the kubelet's. It is counted
// from before the write is sent.
func TestAStandbyLeadsAtOnceWhenTheLeadersContainerHasEnded(t *testing.T) {
	ns := namespace(t)
	var took []time.Duration
	leader := startContained(newKubelet(t, ns, "pod-0"), "0", atOnce)
	term := leader.leads()
	for i := range *crashes {
		id := fmt.Sprint(i + 1)
		r := leasetest.TrueReports()[i%len(leasetest.TrueReports())]
		next := startContained(newKubelet(t, ns, "pod-"+id), id, atOnce)
		next.sees(leader)
		leader.cut.Store(true)
		reported := time.Now()
		leader.kubelet.report(r)
		after := next.leads()
		took = append(took, time.Since(reported))
		if order, err := after.Token.Compare(term.Token); err != nil || order <= 0 {
			t.Errorf("%s: token %s after %s", r.Name, after.Token, term.Token)
		}
		if last := elector.ReadLease(leases(ns)).LastTerm; last == nil || last.Reason != elector.EndCrashed || last.Token != term.Token {
			t.Errorf("%s: the Lease says %+v", r.Name, last)
		}
		leader, term = next, after
	}
	logTimes(t, "status update to OnStartedLeading", took)
}

// logTimes logs the figures. Whatever the machine does beside, no crash costs what a lapse does.
func logTimes(t *testing.T, what string, took []time.Duration) {
	t.Helper()
	slices.Sort(took)
	t.Logf("%s, n=%d: p50 %v, p99 %v, max %v", what, len(took), quantile(took, 50), quantile(took, 99), took[len(took)-1])
	if quantile(took, 50) > time.Second {
		t.Errorf("%s takes %v", what, quantile(took, 50))
	}
}

func TestAFalseReportOnARealServerFreesNoLease(t *testing.T) {
	type pair struct {
		leasetest.Report
		a, b contained
	}
	var pairs []pair
	for _, r := range leasetest.FalseReports() {
		ns := namespace(t)
		p := pair{r, startContained(newKubelet(t, ns, "a", r), "a", atOnce, fast), contained{}}
		p.a.leads()
		p.b = startContained(newKubelet(t, ns, "b"), "b", atOnce, fast)
		p.b.sees(p.a)
		pairs = append(pairs, p)
		p.a.kubelet.report(r)
	}
	renewed := map[string]time.Time{}
	for _, p := range pairs {
		if !p.a.IsLeader() || p.b.IsLeader() {
			t.Errorf("%s: the leader lives and was replaced", p.Name)
		}
		p.a.cut.Store(true) // and is not believed to be dead any sooner
		renewed[p.Name] = leases(p.a.kubelet.pod.Namespace).Spec.RenewTime.Time
	}
	for _, p := range pairs {
		if waited := p.b.leads().AcquiredAt.Sub(renewed[p.Name]); waited < 3*time.Second {
			t.Errorf("%s: b has claimed the Lease %v after its renewal", p.Name, waited)
		}
	}
}

func TestTheGraceIsWaitedAfterTheReportOfARealServer(t *testing.T) {
	for name, test := range map[string]struct {
		detection elector.CrashDetection
		want      time.Duration
	}{
		"by default":                 {elector.CrashDetection{}, time.Second},
		"where late writes are lost": {elector.CrashDetection{Fenced: func(context.Context) bool { return true }}, 0},
	} {
		ns := namespace(t)
		a := startContained(newKubelet(t, ns, "a"), "a", test.detection, fast)
		a.leads()
		b := startContained(newKubelet(t, ns, "b"), "b", test.detection, fast)
		b.sees(a)
		a.cut.Store(true)
		reported := time.Now()
		a.kubelet.report(leasetest.Exited(137))
		if took := b.leads().AcquiredAt.Sub(reported); took < test.want {
			t.Errorf("%s: b has claimed the Lease %v after the report", name, took)
		} else {
			t.Logf("%s: claimed after %v", name, took)
		}
	}
}

func TestARestartedContainersProcessLeadsAtOnce(t *testing.T) {
	k := newKubelet(t, namespace(t), "a")
	a := startContained(k, "a", atOnce)
	a.leads()
	a.cut.Store(true)
	k.report(leasetest.Exited(137))
	k.start() // and what was its state is its last state now
	began := time.Now()
	again := startContained(k, "again", atOnce)
	again.leads()
	logTimes(t, "start to OnStartedLeading in the same Pod", []time.Duration{time.Since(began)})
}
