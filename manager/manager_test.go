// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/kube-elector/elector/elector/leasetest"
)

// nowhere is an API server that has nothing, and takes in Events.
var nowhere = &rest.Config{Host: "http://api.invalid", Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/events") {
		return &http.Response{StatusCode: http.StatusCreated, Header: http.Header{"Content-Type": r.Header["Content-Type"]}, Body: r.Body}, nil
	}
	return nil, errors.New("nowhere")
})}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func testOptions() ctrl.Options {
	return ctrl.Options{
		LeaderElection:          true,
		LeaderElectionID:        "lease",
		LeaderElectionNamespace: "ns",
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress:  "0",
		Logger:                  NewLogr(quiet),
	}
}

// newReplica makes a Manager with the Lease of the server.
func newReplica(t *testing.T, server *leasetest.Server, name string, change func(*ctrl.Options), more ...Option) *Manager {
	t.Helper()
	o := testOptions()
	if change != nil {
		change(&o)
	}
	m, err := New(nowhere, o, append(more, WithClientset(server.Client(name)))...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// afterwards lets what the broadcasters of Events still do come to its end.
func afterwards() { pass(time.Hour) }

func holder(s *leasetest.Server) string {
	if lease := s.Get("ns", "lease"); lease != nil {
		return ptr.Deref(lease.Spec.HolderIdentity, "")
	}
	return ""
}

func TestManagerLeadsAndReleasesAfterItsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		server := leasetest.NewServer()
		m := newReplica(t, server, "a", nil)
		mayStop := make(chan struct{})
		mustAdd(t, m, j.worker("gated", mayStop))
		mustAdd(t, m, everywhere(j.worker("everywhere", atOnce).Start))
		run := begin(m.Start)
		<-m.Elected()
		pass(time.Minute)
		if !m.Elector().IsLeader() {
			t.Error("not leading")
		}
		run.stop()
		pass(20 * time.Second) // longer than the lease
		if run.returned() || holder(server) == "" {
			t.Fatal("released while the work was running")
		}
		close(mayStop)
		if err := run.wait(); err != nil {
			t.Errorf("Start: %v", err)
		}
		if h := holder(server); h != "" {
			t.Errorf("held by %s after a clean stop", h)
		}
		slices.Sort(j.lines)
		j.expect(t, "everywhere returns", "everywhere runs", "gated returns", "gated runs")
		afterwards()
	})
}

func TestStandbyRunsOnlyWhatRunsEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		server := leasetest.NewServer()
		a := begin(newReplica(t, server, "a", nil).Start)
		pass(time.Second)
		m := newReplica(t, server, "b", nil)
		mustAdd(t, m, j.worker("gated", atOnce))
		mustAdd(t, m, everywhere(j.worker("everywhere", atOnce).Start))
		b := begin(m.Start)
		pass(time.Minute)
		j.expect(t, "everywhere runs")
		select {
		case <-m.Elected():
			t.Error("Elected is closed")
		default:
		}
		a.stop()
		if err := a.wait(); err != nil {
			t.Errorf("a: %v", err)
		}
		<-m.Elected()
		synctest.Wait()
		j.expect(t, "everywhere runs", "gated runs")
		b.stop()
		if err := b.wait(); err != nil {
			t.Errorf("b: %v", err)
		}
		afterwards()
	})
}

func TestRunnablesAreSortedAsControllerRuntimeDoes(t *testing.T) {
	for name, test := range map[string]struct {
		runnable manager.Runnable
		gated    bool
	}{
		"plain function":               {manager.RunnableFunc(nil), true},
		"NeedLeaderElection false":     {everywhere(nil), false},
		"server":                       {&manager.Server{}, false},
		"server of the leader":         {&manager.Server{OnlyServeWhenLeader: true}, true},
		"webhook server":               {webhook.NewServer(webhook.Options{}), false},
		"webhook server, wanting more": {struct{ webhook.Server }{}, false},
		"cache":                        {struct{ hasCache }{}, false},
		"cluster":                      {struct{ cluster.Cluster }{}, false},
		"warm-up only":                 {coldBlooded{}, true},
	} {
		if got := leaderGated(test.runnable); got != test.gated {
			t.Errorf("%s: leader-gated %v, want %v", name, got, test.gated)
		}
	}
}

func TestNewRefusesBeforeOpeningPorts(t *testing.T) {
	o := testOptions()
	o.LeaderElectionID = ""
	o.HealthProbeBindAddress = "not an address"
	if _, err := New(nowhere, o); err == nil || !strings.Contains(err.Error(), "LeaderElectionID") {
		t.Errorf("New: %v", err)
	}
	if _, err := New(nil, testOptions()); err == nil || !strings.Contains(err.Error(), "must specify Config") {
		t.Errorf("New without a rest.Config: %v", err)
	}
	m := newReplica(t, leasetest.NewServer(), "a", nil)
	if err := m.EachTerm(nil); err == nil {
		t.Error("EachTerm(nil): no error")
	}
}
