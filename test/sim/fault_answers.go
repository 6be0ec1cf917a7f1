// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
)

var leases = schema.GroupResource{Group: coordinationv1.GroupName, Resource: "leases"}

// refusals are answers of an API server in trouble, or of its admission and authorization.
var refusals = []error{
	apierrors.NewInternalError(errors.New("etcdserver: request timed out")),
	apierrors.NewServiceUnavailable("the server is starting"),
	apierrors.NewTimeoutError("no answer from etcd", 1),
	apierrors.NewTooManyRequests("too many requests", 1),
	apierrors.NewForbidden(leases, "lease", errors.New("denied by a policy")),
	apierrors.NewUnauthorized("the token has expired"),
	apierrors.NewBadRequest("broken JSON"),
	apierrors.NewConflict(leases, "lease", errors.New("said for no reason")),
}

// denials are answers that a server gives for hours.
var denials = []error{
	apierrors.NewForbidden(leases, "lease", errors.New("no permission")),
	apierrors.NewNotFound(leases, "lease"),
	apierrors.NewConflict(leases, "lease", errors.New("said for no reason")),
	apierrors.NewAlreadyExists(leases, "lease"),
	apierrors.NewResourceExpired("too old"),
	apierrors.NewInvalid(coordinationv1.SchemeGroupVersion.WithKind("Lease").GroupKind(), "lease", nil),
	apierrors.NewTooManyRequests("too many requests", 1),
	apierrors.NewInternalError(errors.New("etcdserver: request timed out")),
	apierrors.NewServiceUnavailable("the server is starting"),
	apierrors.NewTimeoutError("no answer from etcd", 1),
	apierrors.NewUnauthorized("the token has expired"),
}

// verbs are the requests that a server refuses for hours. The first is all of them.
var verbs = [][]string{
	{"get", "list", "watch", "create", "update", "delete"}, {"create", "update"}, {"watch"}, {"get", "list"}, {"get", "list", "watch"},
}

// denial returns the answer of the nth way to refuse requests, or nil for those that it carries out.
func denial(n int, verb string) error {
	if !slices.Contains(verbs[n%len(verbs)], verb) {
		return nil
	}
	return denials[n/len(verbs)%len(denials)]
}

// rubbish are specs that no elector writes.
var rubbish = []func(*coordinationv1.LeaseSpec){
	func(s *coordinationv1.LeaseSpec) { *s = coordinationv1.LeaseSpec{} },
	func(s *coordinationv1.LeaseSpec) { s.RenewTime, s.AcquireTime = nil, nil },
	func(s *coordinationv1.LeaseSpec) { s.LeaseDurationSeconds = nil },
	func(s *coordinationv1.LeaseSpec) { s.LeaseDurationSeconds = ptr.To[int32](0) },
	func(s *coordinationv1.LeaseSpec) { s.LeaseDurationSeconds = ptr.To[int32](math.MaxInt32) },
	func(s *coordinationv1.LeaseSpec) { s.LeaseDurationSeconds = ptr.To[int32](-1) },
	func(s *coordinationv1.LeaseSpec) { s.RenewTime = ptr.To(metav1.NewMicroTime(time.Unix(0, 0))) },
	func(s *coordinationv1.LeaseSpec) { s.RenewTime = ptr.To(metav1.NewMicroTime(time.Unix(1<<32, 0))) },
	func(s *coordinationv1.LeaseSpec) { s.HolderIdentity = ptr.To(strings.Repeat("x", 1<<20)) },
	func(s *coordinationv1.LeaseSpec) { s.LeaseTransitions = ptr.To[int32](math.MaxInt32) },
	func(s *coordinationv1.LeaseSpec) { s.LeaseTransitions = ptr.To[int32](-5) },
	func(s *coordinationv1.LeaseSpec) { s.HolderIdentity = ptr.To("\x00 \n") },
}
