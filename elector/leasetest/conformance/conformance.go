// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package conformance says what a Lease API does, as tests that run on package leasetest's server and on a real
// kube-apiserver alike. What only one of the two can be brought to do is tested elsewhere.
package conformance

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/utils/ptr"
)

// patience is how long a test waits for anything before it fails.
const patience = 30 * time.Second

// Test is one claim. Run needs an empty namespace of its own and leaves Leases behind in it. It may run inside a
// testing/synctest bubble and beside other tests.
type Test struct {
	Name string
	Run  func(t *testing.T, client kubernetes.Interface, namespace string)
}

// Tests returns the claims about any client.
func Tests() []Test {
	return slices.Concat(creating(), updating(), patching(), deleting(), reading(), watching())
}

// api is what a claim is tested with: the Leases of one namespace.
type api struct {
	*testing.T
	coordinationv1client.LeaseInterface
	ctx       context.Context
	namespace string
}

func claim(name string, check func(api)) Test {
	return Test{name, func(t *testing.T, client kubernetes.Interface, namespace string) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		check(api{t, client.CoordinationV1().Leases(namespace), ctx, namespace})
	}}
}

func named(name string) *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// held returns a Lease as an elector writes it.
func held(name, holder string) *coordinationv1.Lease {
	lease := named(name)
	now := metav1.NowMicro()
	lease.Spec = coordinationv1.LeaseSpec{
		HolderIdentity: &holder, LeaseDurationSeconds: ptr.To(int32(15)), LeaseTransitions: ptr.To(int32(0)),
		AcquireTime: &now, RenewTime: &now,
	}
	return lease
}

func holder(lease *coordinationv1.Lease) string {
	if lease.Spec.HolderIdentity == nil {
		return "<nil>"
	}
	return *lease.Spec.HolderIdentity
}

// by returns a copy of the Lease held by another.
func by(lease *coordinationv1.Lease, holder string) *coordinationv1.Lease {
	lease = lease.DeepCopy()
	lease.Spec.HolderIdentity = &holder
	return lease
}

func (a api) create(lease *coordinationv1.Lease) *coordinationv1.Lease {
	a.Helper()
	created, err := a.Create(a.ctx, lease, metav1.CreateOptions{})
	if err != nil {
		a.Fatalf("creating Lease %q: %v", lease.Name, err)
	}
	return created
}

func (a api) update(lease *coordinationv1.Lease) *coordinationv1.Lease {
	a.Helper()
	updated, err := a.Update(a.ctx, lease, metav1.UpdateOptions{})
	if err != nil {
		a.Fatalf("updating Lease %q: %v", lease.Name, err)
	}
	return updated
}

func (a api) get(name string) *coordinationv1.Lease {
	a.Helper()
	lease, err := a.Get(a.ctx, name, metav1.GetOptions{})
	if err != nil {
		a.Fatalf("getting Lease %q: %v", name, err)
	}
	return lease
}

func (a api) delete(name string) {
	a.Helper()
	if err := a.Delete(a.ctx, name, metav1.DeleteOptions{}); err != nil {
		a.Fatalf("deleting Lease %q: %v", name, err)
	}
}

// refused checks that a request got the wanted answer, and that it came with an empty Lease instead of nil, which
// client-go's own users rely on.
func (a api) refused(lease *coordinationv1.Lease, err error, want metav1.StatusReason) {
	a.Helper()
	if got := apierrors.ReasonForError(err); err == nil || got != want {
		a.Errorf("got error %v (reason %q), want reason %q", err, got, want)
	}
	if err != nil && (lease == nil || lease.Name != "") {
		a.Errorf("got Lease %+v with the error, want an empty one", lease)
	}
}

func (a api) version(lease *coordinationv1.Lease) uint64 {
	a.Helper()
	version, err := strconv.ParseUint(lease.ResourceVersion, 10, 64)
	if err != nil {
		a.Fatalf("Lease %q has resourceVersion %q, want a number: %v", lease.Name, lease.ResourceVersion, err)
	}
	return version
}

// newer checks that the second Lease was written after the first.
func (a api) newer(first, second *coordinationv1.Lease) {
	a.Helper()
	if a.version(second) <= a.version(first) {
		a.Errorf("resourceVersion went from %s to %s, want it to rise", first.ResourceVersion, second.ResourceVersion)
	}
}
