// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package controller reconciles Beacons.
package controller

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/examples/operator/api/v1alpha1"
)

// DefaultInterval is that of a Beacon whose spec has none.
const DefaultInterval = time.Second

// +kubebuilder:rbac:groups=demo.kube-elector.io,namespace=system,resources=beacons,verbs=get;list;watch
// +kubebuilder:rbac:groups=demo.kube-elector.io,namespace=system,resources=beacons/status,verbs=get;update;patch

// BeaconReconciler lets each Beacon flash at its interval, and writes into its status who did it in which term.
type BeaconReconciler struct {
	client.Client
	// Now is the clock.
	Now func() time.Time
	// Reconciled is called after each reconcile of a Beacon that has succeeded, with the term it was done in.
	Reconciled func(elector.Term)
}

// SetupWithManager adds a controller for Beacons to mgr.
func (r *BeaconReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("beacon").
		// Without this every flash would wake the reconciler once more: it changes the status.
		For(&v1alpha1.Beacon{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(r)
}

// Reconcile flashes the Beacon if it is due, and comes back when it is due next.
func (r *BeaconReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var beacon v1alpha1.Beacon
	if err := r.Get(ctx, req.NamespacedName, &beacon); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !beacon.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	term, _ := elector.TermFromContext(ctx)
	due, err := r.keep(ctx, &beacon, term)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("flashing: %w", err)
	}
	r.Reconciled(term)
	return ctrl.Result{RequeueAfter: due}, nil
}

// keep flashes the Beacon if it is due, and returns in what time it is due next.
func (r *BeaconReconciler) keep(ctx context.Context, beacon *v1alpha1.Beacon, term elector.Term) (time.Duration, error) {
	interval := beacon.Spec.Interval.Duration
	if interval <= 0 {
		interval = DefaultInterval
	}
	now := r.Now()
	// A last flash in the future is a clock that was set back: waiting for it could take for ever.
	if since := now.Sub(beacon.Status.LastFlash.Time); since >= 0 && since < interval {
		return interval - since, nil
	}
	flash(beacon, term, now)
	// Update, not Patch: it fails if anyone has written in between, and the next reconcile sees what.
	return interval, r.Status().Update(ctx, beacon)
}

func flash(beacon *v1alpha1.Beacon, term elector.Term, now time.Time) {
	status := &beacon.Status
	status.Flashes++
	status.LastFlash = metav1.NewMicroTime(now)
	status.LitBy = term.Identity
	status.Token = string(term.Token)
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type:               v1alpha1.ConditionReady,
		Status:             metav1.ConditionTrue,
		Reason:             "Flashing",
		ObservedGeneration: beacon.Generation,
	})
}
