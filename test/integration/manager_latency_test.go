// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager"
)

var handOvers = flag.Int("handovers", 3, "how many hand-overs of each kind TestHandOverLatency measures")

// candidacy is a replica of an operator that is being measured.
type candidacy struct {
	*replica
	kind       string
	first      chan time.Time // when its first reconcile began
	clock      *termClock
	warming    chan struct{} // closed when the controller starts its sources
	controller controller.Controller
}

// measuredObjects is how many objects the operators of candidacies have.
const measuredObjects = 1000

func newCandidacy(t *testing.T, namespace, kind string) *candidacy {
	t.Helper()
	c := &candidacy{
		kind:    kind,
		first:   make(chan time.Time, 1),
		warming: make(chan struct{}),
		clock:   &termClock{Handler: slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}), terms: map[elector.Token]time.Duration{}},
	}
	setup := func(m ctrl.Manager) (err error) {
		c.controller, err = ctrl.NewControllerManagedBy(m).For(&corev1.ConfigMap{}).WatchesRawSource(starting(c.warming)).
			Build(reconcile.Func(func(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
				select {
				case c.first <- time.Now():
				default:
				}
				return reconcile.Result{}, nil
			}))
		return err
	}
	options := managerOptions(t, namespace)
	options.Logger = manager.NewLogr(slog.New(c.clock))
	options.LeaderElectionReleaseOnCancel = kind == "controller-runtime, releasing"
	var m ctrl.Manager
	var err error
	switch kind {
	case "one line changed":
		m = newOurs(t, options)
		err = setup(m)
	default:
		if m, err = ctrl.NewManager(restConfig, options); err == nil {
			err = setup(m)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	c.replica = start(t, m)
	return c
}

func newOurs(t *testing.T, options ctrl.Options) *manager.Manager {
	t.Helper()
	m, err := manager.New(restConfig, options)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestHandOverLatency measures the time from stopping the leader, by its context, to the successor's first reconcile,
// with 1,000 objects. It logs the figures, and checks that ours are the shorter ones.
func TestHandOverLatency(t *testing.T) {
	ns := namespace(t)
	createMany(t, ns, measuredObjects)
	median := map[string]time.Duration{}
	for kind, n := range map[string]int{
		"one line changed":              *handOvers,
		"controller-runtime, releasing": *handOvers, "controller-runtime, as scaffolded": 1 + *handOvers/20,
	} {
		t.Run(kind, func(t *testing.T) {
			deleteLeaseIfAny(ns)
			var total, after []time.Duration
			leader := newCandidacy(t, ns, kind)
			receive(t, leader.first, "the first leader's reconcile")
			for range n {
				next := newCandidacy(t, ns, kind)
				standsBy(t, next, ns)
				began := time.Now()
				leader.cancel()
				first := receive(t, next.first, "the successor's reconcile")
				total = append(total, first.Sub(began))
				after = append(after, first.Sub(time.Unix(0, next.clock.began.Load())))
				if err := receive(t, leader.err, "the end of Start"); err != nil && kind != "controller-runtime, releasing" && kind != "controller-runtime, as scaffolded" {
					t.Errorf("Start: %v", err)
				}
				leader = next
			}
			slices.Sort(total)
			slices.Sort(after)
			median[kind] = total[len(total)/2]
			line := fmt.Sprintf("n=%d: stop to first reconcile p50 %v, p99 %v, max %v", n, total[n/2], total[(n*99-1)/100], total[n-1])
			if leader.clock.began.Load() != 0 {
				line += fmt.Sprintf("; of that after OnStartedLeading p50 %v, p99 %v, max %v", after[n/2], after[(n*99-1)/100], after[n-1])
			}
			t.Log(line)
		})
	}
	for _, theirs := range []string{"controller-runtime, releasing", "controller-runtime, as scaffolded"} {
		if ours := median["one line changed"]; ours >= median[theirs] {
			t.Errorf("ours took %v, %s %v", ours, theirs, median[theirs])
		}
	}
}

// standsBy waits until the replica is as ready to take over as it will be.
func standsBy(t *testing.T, c *candidacy, namespace string) {
	t.Helper()
	synced := make(chan struct{})
	mustAdd(t, c, everywhere(signal(synced)))
	receive(t, synced, "the caches")
	if m, ours := c.Manager.(*manager.Manager); ours {
		eventually(t, "sight of the leader", func() bool { return m.Elector().GetLeader() == holder(namespace) })
	}
	if c.kind == "one line changed" {
		warm(t, c.controller, c.warming)
	}
}

// warm waits until a controller has warmed up, one of whose sources is starting(warming).
func warm(t *testing.T, c controller.Controller, warming chan struct{}) {
	t.Helper()
	receive(t, warming, "the warm-up")
	// A controller keeps Watch waiting until it has warmed up.
	if err := c.Watch(starting(make(chan struct{}))); err != nil {
		t.Fatal(err)
	}
}

// starting is a source that closes the channel when it is started.
func starting(started chan struct{}) source.Source {
	return source.Func(func(context.Context, workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		close(started)
		return nil
	})
}
