// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

func TestMetricsAreServedWhileTheManagerRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		served := func() int {
			families, err := metrics.Registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, f := range families {
				if f.GetName() == "elector_leading" {
					n += len(f.GetMetric())
				}
			}
			return n
		}
		server := leasetest.NewServer()
		a, b := begin(newReplica(t, server, "a", nil).Start), begin(newReplica(t, server, "b", nil).Start)
		pass(time.Minute)
		if n := served(); n != 1 {
			t.Errorf("elector_leading is served %d times, by two replicas in one process", n)
		}
		for _, r := range []*begun{a, b} {
			r.stop()
			if err := r.wait(); err != nil {
				t.Errorf("Start: %v", err)
			}
		}
		if n := served(); n != 0 {
			t.Errorf("elector_leading is served %d times after the end", n)
		}
		afterwards()
	})
}

func TestManagersWithoutAnElectionDoNotWarnOfEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			enabled  bool
			warnings int
		}{"without": {false, 0}, "with": {true, 1}} {
			var buffer logged
			server := leasetest.NewServer()
			var running []*begun
			for _, replica := range []string{"a", "b"} {
				m := newReplica(t, server, replica, func(o *ctrl.Options) { o.LeaderElection, o.Logger = c.enabled, logr.Logger{} }, WithLogger(jsonLogger(&buffer)))
				running = append(running, begin(m.Start))
				pass(time.Minute)
			}
			for _, r := range running {
				r.stop()
				if err := r.wait(); err != nil {
					t.Error(err)
				}
			}
			if n := strings.Count(buffer.String(), `"WARN"`); n != c.warnings {
				t.Errorf("%s an election: %d warnings, want %d:\n%s", name, n, c.warnings, buffer.String())
			}
		}
		afterwards()
	})
}

func TestHealthzCheckIsWiredOnRequest(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	m := newReplica(t, leasetest.NewServer(), "a",
		func(o *ctrl.Options) { o.HealthProbeBindAddress = address }, WithHealthzCheck("leading"))
	run := begin(m.Start)
	<-m.Elected()
	transport := &http.Transport{DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/healthz/leading", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(reply.Body)
	_ = reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", reply.Status, body)
	}
	run.stop()
	if err := run.wait(); err != nil {
		t.Error(err)
	}
}

func TestAHealthzCheckDoesNotReplaceTheElectors(t *testing.T) {
	m := newReplica(t, leasetest.NewServer(), "a", nil, WithHealthzCheck("healthz"))
	if err := m.AddHealthzCheck("healthz", healthz.Ping); err == nil || !strings.Contains(err.Error(), "WithHealthzCheck") {
		t.Errorf("a second check of that name: %v", err)
	}
	if err := m.AddHealthzCheck("another", healthz.Ping); err != nil {
		t.Error(err)
	}
	if err := m.AddReadyzCheck("healthz", healthz.Ping); err != nil {
		t.Error(err)
	}
}

func TestANilOptionIsIgnored(t *testing.T) {
	newReplica(t, leasetest.NewServer(), "a", nil, nil)
}

func TestCallbacksOptionIsCalledAroundTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		m := newReplica(t, leasetest.NewServer(), "a", nil, WithCallbacks(elector.Callbacks{
			OnStartedLeading: func(context.Context) { time.Sleep(1); j.add("started leading") },
			OnStoppedLeading: func() { j.add("stopped leading") },
			OnNewLeader:      func(string) { j.add("new leader") },
		}))
		mustAdd(t, m, j.worker("work", atOnce))
		run := begin(m.Start)
		pass(time.Minute)
		run.stop()
		if err := run.wait(); err != nil {
			t.Error(err)
		}
		i := slices.Index(j.lines, "new leader")
		if i < 0 {
			t.Fatalf("no new leader in %q", j.lines)
		}
		j.lines = slices.Delete(j.lines, i, i+1)
		j.expect(t, "work runs", "started leading", "work returns", "stopped leading")
		afterwards()
	})
}

func TestBaseContextReachesGatedWork(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		got := make(chan any, 1)
		m := newReplica(t, leasetest.NewServer(), "a", func(o *ctrl.Options) {
			o.BaseContext = func() context.Context { return context.WithValue(context.Background(), key{}, "value") }
		})
		mustAdd(t, m, manager.RunnableFunc(func(ctx context.Context) error {
			if _, ok := elector.TermFromContext(ctx); !ok {
				t.Error("no term in the context")
			}
			got <- ctx.Value(key{})
			<-ctx.Done()
			return nil
		}))
		run := begin(m.Start)
		if v := <-got; v != "value" {
			t.Errorf("got %v", v)
		}
		run.stop()
		if err := run.wait(); err != nil {
			t.Error(err)
		}
		afterwards()
	})
}
