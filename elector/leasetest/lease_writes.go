// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// These are the rules by which kube-apiserver turns a request and the stored Lease into the next Lease. They are pure
// functions except for the clock. They may change the Lease of the request, and never the stored one.

var (
	resource = coordinationv1.Resource("leases")
	kind     = coordinationv1.SchemeGroupVersion.WithKind("Lease").GroupKind()
)

// created returns the Lease that a POST stores.
func created(in, old *coordinationv1.Lease, namespace string, revision uint64) (*coordinationv1.Lease, error) {
	if err := inNamespace(in, namespace); err != nil {
		return nil, err
	}
	in.UID, in.CreationTimestamp = newborn(revision)
	in.DeletionTimestamp, in.DeletionGracePeriodSeconds = nil, nil
	clean(in, &coordinationv1.Lease{})
	if errs := validate(in); len(errs) > 0 {
		return nil, apierrors.NewInvalid(kind, in.Name, errs)
	}
	if in.ResourceVersion != "" {
		return nil, serverError(errors.New("resourceVersion should not be set on objects to be created"))
	}
	if old != nil {
		return nil, apierrors.NewAlreadyExists(resource, in.Name)
	}
	return in, nil
}

// updated returns the Lease that a PUT stores. That is the old one itself when nothing changes, and gone when the
// update took the last finalizer of a Lease that is being deleted. A PUT may create a Lease, but never one with a UID.
func updated(in, old *coordinationv1.Lease, valid bool, namespace string, revision uint64) (*coordinationv1.Lease, error) {
	if err := inNamespace(in, namespace); err != nil {
		return nil, err
	}
	var uid types.UID
	if old != nil {
		uid = old.UID
	}
	if in.UID != "" && in.UID != uid {
		return nil, apierrors.NewConflict(resource, in.Name,
			fmt.Errorf("precondition failed: UID in precondition: %s, UID in object meta: %s", in.UID, uid))
	}
	if old == nil {
		if _, err := parseVersion(in.ResourceVersion); err != nil {
			return nil, err
		}
		in.ResourceVersion = ""
		return created(in, nil, namespace, revision)
	}
	return replaced(in, old, valid)
}

// replaced does what PUT and PATCH have in common when the Lease exists.
func replaced(in, old *coordinationv1.Lease, valid bool) (*coordinationv1.Lease, error) {
	if err := matchesVersion(in, old); err != nil {
		return nil, err
	}
	if in.UID == "" {
		in.UID = old.UID
	}
	in.CreationTimestamp, in.Generation = old.CreationTimestamp, old.Generation
	if old.DeletionTimestamp != nil {
		in.DeletionTimestamp = old.DeletionTimestamp
	}
	if in.DeletionGracePeriodSeconds == nil {
		in.DeletionGracePeriodSeconds = old.DeletionGracePeriodSeconds
	}
	clean(in, old)
	if errs := validateUpdate(in, old, valid); len(errs) > 0 {
		return nil, apierrors.NewInvalid(kind, in.Name, errs)
	}
	if old.DeletionTimestamp != nil && len(in.Finalizers) == 0 {
		return gone, nil
	}
	return unlessSame(old, in), nil
}

// deleted returns what a DELETE leaves, which is gone or, with finalizers, the Lease marked for deletion.
func deleted(old *coordinationv1.Lease, name string, only *metav1.Preconditions) (*coordinationv1.Lease, error) {
	if old == nil {
		return nil, apierrors.NewNotFound(resource, name)
	}
	if only != nil && only.UID != nil && *only.UID != old.UID {
		return nil, apierrors.NewConflict(resource, name, fmt.Errorf(
			"the UID in the precondition (%s) does not match the UID in record (%s)", *only.UID, old.UID))
	}
	if only != nil && only.ResourceVersion != nil && *only.ResourceVersion != old.ResourceVersion {
		return nil, apierrors.NewConflict(resource, name, fmt.Errorf(
			"the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record (%s)",
			*only.ResourceVersion, old.ResourceVersion))
	}
	if len(old.Finalizers) == 0 {
		return gone, nil
	}
	if old.DeletionTimestamp != nil {
		return old, nil
	}
	marked, now := old.DeepCopy(), metav1.Unix(time.Now().Unix(), 0)
	marked.DeletionTimestamp, marked.DeletionGracePeriodSeconds = &now, new(int64)
	if marked.Generation > 0 {
		marked.Generation++
	}
	return marked, nil
}

// matchesVersion compares an update with the resourceVersion it was made from. Leases have no unconditional update.
func matchesVersion(in, old *coordinationv1.Lease) error {
	revision, err := parseVersion(in.ResourceVersion)
	switch {
	case err != nil:
		return err
	case revision == 0:
		return apierrors.NewInvalid(schema.GroupKind{Group: resource.Group, Kind: resource.Resource}, in.Name, field.ErrorList{
			field.Invalid(field.NewPath("metadata", "resourceVersion"), revision, "must be specified for an update"),
		})
	case in.ResourceVersion != old.ResourceVersion:
		return apierrors.NewConflict(resource, in.Name, errors.New("the object has been modified; "+
			"please apply your changes to the latest version and try again"))
	}
	return nil
}

func inNamespace(in *coordinationv1.Lease, namespace string) error {
	if in.Namespace != "" && in.Namespace != namespace {
		return apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	in.Namespace = namespace
	return nil
}

// newborn returns what the server gives to a new Lease. UIDs are made from the revision, so that a simulation repeats
// them.
func newborn(revision uint64) (types.UID, metav1.Time) {
	return types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012x", revision)), metav1.Unix(time.Now().Unix(), 0)
}

// unlessSame returns the old Lease when the next one differs in nothing.
func unlessSame(old, next *coordinationv1.Lease) *coordinationv1.Lease {
	// A renewal, which is most of what is ever written, shows at a glance.
	if old.Spec.RenewTime.Equal(next.Spec.RenewTime) && equality.Semantic.DeepEqual(old, next) {
		return old
	}
	return next
}

// parseVersion returns 0 for "" and "0".
func parseVersion(resourceVersion string) (uint64, error) {
	if resourceVersion == "" {
		return 0, nil
	}
	revision, err := strconv.ParseUint(resourceVersion, 10, 64)
	if err != nil {
		return 0, serverError(err)
	}
	return revision, nil
}

// serverError returns the error that kube-apiserver uses when it has no better one.
func serverError(err error) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Message: err.Error(),
	}}
}
