// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/manager"
)

// afterLoss is what a controller did after its replica's Lease was lost. The instant of the loss is when another
// replica may lead, because the Lease was deleted, overwritten or has lapsed.
type afterLoss struct {
	client client.Client
	lost   atomic.Int64 // in Unix nanoseconds; 0 before

	reconciles, writes         atomic.Int64 // begun after the loss; the writes, with success
	lateReconciles, lateWrites atomic.Int64 // the same after the end of the context
}

func (a *afterLoss) Reconcile(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	ended := ctx.Err() != nil
	if ended {
		a.lateReconciles.Add(1)
	}
	began := time.Now().UnixNano()
	lost := func() bool { at := a.lost.Load(); return at != 0 && began > at }
	if lost() {
		a.reconciles.Add(1)
	}
	obj := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: r.Name}}
	over := ctx.Err() != nil
	// Written as by a reconciler that does not pass its context on.
	err := a.client.Patch(context.WithoutCancel(ctx), obj, client.RawPatch("application/merge-patch+json", []byte(`{}`)))
	if err == nil && lost() {
		a.writes.Add(1)
	}
	if err == nil && over {
		a.lateWrites.Add(1)
	}
	return reconcile.Result{RequeueAfter: time.Millisecond}, nil
}

// TestLossBesideControllerRuntime has a busy controller lose its Lease, on controller-runtime's manager and on ours.
// The former's figures are logged.
func TestLossBesideControllerRuntime(t *testing.T) {
	for name, lose := range losses {
		for _, kind := range []string{"controller-runtime", "elector"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				ns := namespace(t)
				createMany(t, ns, 50)
				var cut atomic.Bool
				// Not by LeaderElectionConfig, with which controller-runtime leaks a broadcaster of Events.
				own := rest.CopyConfig(restConfig)
				own.Wrap(func(next http.RoundTripper) http.RoundTripper {
					return leaseRequests{cuttable: &cuttable{next, &cut}, others: next}
				})
				options := managerOptions(t, ns)
				quickly(&options)
				did := &afterLoss{}
				var m ctrl.Manager
				var err error
				if kind == "elector" {
					m, err = manager.New(own, options)
				} else {
					m, err = ctrl.NewManager(own, options)
				}
				if err != nil {
					t.Fatal(err)
				}
				did.client = m.GetClient()
				if err := ctrl.NewControllerManagedBy(m).For(&corev1.ConfigMap{}).
					WithOptions(controller.Options{MaxConcurrentReconciles: 4}).Complete(did); err != nil {
					t.Fatal(err)
				}
				r := start(t, m)
				receive(t, r.Elected(), "the election")
				lost := time.Now()
				lose(t, ns, &cut)
				if name == "partition" {
					lease := leases(ns)
					lost = lease.Spec.RenewTime.Add(time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second)
				}
				did.lost.Store(lost.UnixNano())
				if name == "deleted Lease" && kind == "controller-runtime" {
					// It creates the Lease again and leads on, whatever others want.
					eventually(t, "the Lease", func() bool { return leases(ns) != nil && did.reconciles.Load() > 0 })
					r.cancel()
				}
				err = receive(t, r.err, "the end of Start")
				t.Logf("after the loss: %d reconciles begun, %d writes done; after the end of their context: %d reconciles begun, %d writes done",
					did.reconciles.Load(), did.writes.Load(), did.lateReconciles.Load(), did.lateWrites.Load())
				if kind != "elector" {
					return
				}
				if !errors.Is(err, manager.ErrLeadershipLost) {
					t.Errorf("Start: %v", err)
				}
				if did.lateReconciles.Load() != 0 || did.lateWrites.Load() != 0 {
					t.Error("work was begun after the end of the term")
				}
				if name == "partition" && did.reconciles.Load() != 0 {
					t.Error("work was begun after the Lease had lapsed")
				}
			})
		}
	}
}

// leaseRequests lets only requests about Leases be cut.
type leaseRequests struct {
	*cuttable
	others http.RoundTripper
}

func (l leaseRequests) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, "/leases") {
		return l.cuttable.RoundTrip(r)
	}
	return l.others.RoundTrip(r)
}
