// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/examples/operator/api/v1alpha1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is when the tests begin, by their clock.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// setup makes a reconciler of one Beacon, its clock, and a count of the reconciles it told of.
func setup(t *testing.T, beacon *v1alpha1.Beacon, funcs interceptor.Funcs) (r *BeaconReconciler, now *time.Time, reconciled *int) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	now, reconciled = new(time.Time), new(int)
	*now = start
	beacon.Name, beacon.Namespace = "harbour", "coast"
	c := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(beacon).WithObjects(beacon).WithInterceptorFuncs(funcs).Build()
	return &BeaconReconciler{
		Client: c, Now: func() time.Time { return *now }, Reconciled: func(elector.Term) { *reconciled++ },
	}, now, reconciled
}

var request = ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "coast", Name: "harbour"}}

func wantNext(t *testing.T, r *BeaconReconciler, want time.Duration) {
	t.Helper()
	result, err := r.Reconcile(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if result.RequeueAfter != want {
		t.Errorf("comes back after %v, want %v", result.RequeueAfter, want)
	}
}

func get(t *testing.T, r *BeaconReconciler) v1alpha1.Beacon {
	t.Helper()
	var beacon v1alpha1.Beacon
	if err := r.Get(t.Context(), request.NamespacedName, &beacon); err != nil {
		t.Fatal(err)
	}
	return beacon
}

func TestBeaconFlashesAtItsInterval(t *testing.T) {
	r, now, reconciled := setup(t, &v1alpha1.Beacon{Spec: v1alpha1.BeaconSpec{Interval: metav1.Duration{Duration: 3 * time.Second}}}, interceptor.Funcs{})
	wantNext(t, r, 3*time.Second)
	*now = start.Add(time.Second)
	wantNext(t, r, 2*time.Second)
	if status := get(t, r).Status; status.Flashes != 1 {
		t.Errorf("%d flashes in the first second, want 1", status.Flashes)
	}
	*now = start.Add(3 * time.Second)
	wantNext(t, r, 3*time.Second)
	status := get(t, r).Status
	if status.Flashes != 2 || !status.LastFlash.Time.Equal(*now) {
		t.Errorf("after the interval the status is %+v", status)
	}
	if !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady) {
		t.Errorf("a Beacon that flashes is not Ready: %+v", status.Conditions)
	}
	if *reconciled != 3 {
		t.Errorf("told of %d reconciles, want 3", *reconciled)
	}
}

func TestBeaconWithoutAnIntervalFlashesAtTheDefault(t *testing.T) {
	r, _, _ := setup(t, &v1alpha1.Beacon{}, interceptor.Funcs{})
	wantNext(t, r, DefaultInterval)
}

func TestBeaconThatFlashedInTheFutureFlashesNow(t *testing.T) {
	beacon := &v1alpha1.Beacon{Status: v1alpha1.BeaconStatus{LastFlash: metav1.NewMicroTime(start.AddDate(1, 0, 0))}}
	r, _, _ := setup(t, beacon, interceptor.Funcs{})
	wantNext(t, r, DefaultInterval)
	if status := get(t, r).Status; status.Flashes != 1 {
		t.Errorf("%d flashes, want 1", status.Flashes)
	}
}

func TestReconcileWhoseWriteIsRefusedIsNotCounted(t *testing.T) {
	refused := errors.New("refused")
	r, _, reconciled := setup(t, &v1alpha1.Beacon{}, interceptor.Funcs{
		SubResourceUpdate: func(context.Context, client.Client, string, client.Object, ...client.SubResourceUpdateOption) error {
			return refused
		},
	})
	if _, err := r.Reconcile(t.Context(), request); !errors.Is(err, refused) {
		t.Errorf("Reconcile returned %v, want what the API server said", err)
	}
	if *reconciled != 0 {
		t.Errorf("told of %d reconciles, want none", *reconciled)
	}
}

func TestFlashOverAnothersIsRefused(t *testing.T) {
	r, _, reconciled := setup(t, &v1alpha1.Beacon{}, interceptor.Funcs{
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, obj client.Object, opts ...client.SubResourceUpdateOption) error {
			// The next leader was faster.
			var other v1alpha1.Beacon
			if err := c.Get(ctx, request.NamespacedName, &other); err != nil {
				return err
			}
			other.Status.Token = "2"
			if err := c.SubResource(sub).Update(ctx, &other); err != nil {
				return err
			}
			return c.SubResource(sub).Update(ctx, obj, opts...)
		},
	})
	if _, err := r.Reconcile(t.Context(), request); err == nil {
		t.Error("the other's flash was overwritten")
	}
	if got := get(t, r).Status; *reconciled != 0 || got.Token != "2" {
		t.Errorf("told of %d reconciles, the status is %+v", *reconciled, got)
	}
}

func TestNothingIsDoneForABeaconThatIsGone(t *testing.T) {
	r, _, reconciled := setup(t, &v1alpha1.Beacon{}, interceptor.Funcs{})
	beacon := get(t, r)
	if err := r.Delete(t.Context(), &beacon); err != nil {
		t.Fatal(err)
	}
	wantNext(t, r, 0)
	if *reconciled != 0 {
		t.Errorf("told of %d reconciles, want none", *reconciled)
	}
}
