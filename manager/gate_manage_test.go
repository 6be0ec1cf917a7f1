// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

// A manager and an Elector of one's own, with the Gate between them.
func TestClientOfAManagedManagerWritesByTheTermOfTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(1)
		defer b.cancel()
		b.Gate.resumed = resumed
		server := leasetest.NewServer()
		e, err := elector.New(&elector.Config{Enabled: true, Identity: "a", LeaseName: "lease", LeaseNamespace: "ns", ReleaseOnCancel: true},
			server.Client("a"), b.Callbacks(elector.Callbacks{}), quiet)
		if err != nil {
			t.Fatal(err)
		}
		writer := b.Manage(b.parent).GetClient()
		contexts := make(chan context.Context, 1)
		var inTerm error
		b.controller(t, "c", controller.Options{}, func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
			inTerm = writer.Create(ctx, configMap("in-term"))
			contexts <- ctx
			return reconcile.Result{}, nil
		})
		if err := writer.Create(t.Context(), configMap("before-any-term")); err != nil {
			t.Errorf("a write outside any term: %v", err)
		}
		gate, candidate := begin(b.Start), begin(e.Start)
		ctx := <-contexts
		pass(time.Second)
		if inTerm != nil {
			t.Errorf("a write in the term: %v", inTerm)
		}
		if term, ok := elector.TermFromContext(ctx); !ok || term.Identity != "a" {
			t.Errorf("the term of Reconcile's context: %v, %v", term, ok)
		}
		server.Delete("ns", "lease")
		pass(time.Second)
		late := context.WithoutCancel(ctx) // as of a reconciler that does not care that its context has ended
		if err := writer.Create(late, configMap("late")); !errors.Is(err, ErrNotLeading) {
			t.Errorf("a write in a term that is over: %v", err)
		}
		if err := writer.Create(t.Context(), configMap("after-the-term")); err != nil {
			t.Errorf("a write outside any term: %v", err)
		}
		if err := gate.wait(); !errors.Is(err, ErrLeadershipLost) || !errors.Is(err, elector.ErrLeaseDeleted) {
			t.Errorf("Gate.Start: %v", err)
		}
		candidate.stop()
		if err := candidate.wait(); err != nil {
			t.Errorf("Elector.Start: %v", err)
		}
	})
}
