// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"maps"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metavalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// clean brings a Lease into the form in which a real server returns it. Times have microseconds, there are no empty
// maps and lists, and what the server keeps to itself or drops is gone.
func clean(in, old *coordinationv1.Lease) {
	in.TypeMeta, in.ManagedFields = metav1.TypeMeta{}, nil
	in.Spec.AcquireTime, in.Spec.RenewTime = micro(in.Spec.AcquireTime), micro(in.Spec.RenewTime)
	if len(in.Labels) == 0 {
		in.Labels = nil
	}
	if len(in.Annotations) == 0 {
		in.Annotations = nil
	}
	if len(in.Finalizers) == 0 {
		in.Finalizers = nil
	}
	if len(in.OwnerReferences) == 0 {
		in.OwnerReferences = nil
	}
	// Both belong to coordinated leader election, a feature that is off by default.
	if old.Spec.Strategy == nil {
		in.Spec.Strategy = nil
	}
	if old.Spec.PreferredHolder == nil {
		in.Spec.PreferredHolder = nil
	}
}

func micro(t *metav1.MicroTime) *metav1.MicroTime {
	if t.IsZero() {
		return t
	}
	return &metav1.MicroTime{Time: t.Truncate(time.Microsecond).Local()}
}

func validate(in *coordinationv1.Lease) field.ErrorList {
	return append(
		metavalidation.ValidateObjectMeta(&in.ObjectMeta, true, metavalidation.NameIsDNSSubdomain, field.NewPath("metadata")),
		validateSpec(&in.Spec)...)
}

// validateUpdate validates what it must. For a renewal, which most writes are, that is the spec alone. valid says that
// old has been validated, unlike what Server.Put has stored.
func validateUpdate(in, old *coordinationv1.Lease, valid bool) field.ErrorList {
	if valid && asValid(&in.ObjectMeta, &old.ObjectMeta) {
		return validateSpec(&in.Spec)
	}
	return append(
		metavalidation.ValidateObjectMetaUpdate(&in.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata")),
		validate(in)...)
}

// asValid reports whether metadata is at a glance as valid as what it replaces. Nothing may have changed in it but
// values of annotations, which may be anything, and must not have become longer.
func asValid(in, old *metav1.ObjectMeta) bool {
	same := in.Name == old.Name && in.GenerateName == old.GenerateName && in.Namespace == old.Namespace &&
		in.UID == old.UID && in.Generation == old.Generation && in.CreationTimestamp == old.CreationTimestamp &&
		maps.Equal(in.Labels, old.Labels) && len(in.Annotations) == len(old.Annotations)
	for _, m := range []*metav1.ObjectMeta{in, old} {
		same = same && m.DeletionTimestamp == nil && m.DeletionGracePeriodSeconds == nil &&
			len(m.OwnerReferences)+len(m.Finalizers)+len(m.ManagedFields) == 0
	}
	for key, value := range in.Annotations {
		was, ok := old.Annotations[key]
		same = same && ok && len(value) <= len(was)
	}
	return same
}

func validateSpec(spec *coordinationv1.LeaseSpec) (errs field.ErrorList) {
	path := field.NewPath("spec")
	if d := spec.LeaseDurationSeconds; d != nil && *d <= 0 {
		errs = append(errs, field.Invalid(path.Child("leaseDurationSeconds"), *d, "must be greater than 0"))
	}
	if n := spec.LeaseTransitions; n != nil && *n < 0 {
		errs = append(errs, field.Invalid(path.Child("leaseTransitions"), *n, "must be greater than or equal to 0"))
	}
	if spec.Strategy != nil {
		errs = append(errs, validateStrategy(*spec.Strategy, path.Child("strategy"))...)
	}
	if preferred := spec.PreferredHolder; preferred != nil && *preferred != "" &&
		(spec.Strategy == nil || *spec.Strategy == "") {
		errs = append(errs, field.Forbidden(path.Child("preferredHolder"), "may only be specified if `strategy` is defined"))
	}
	return errs
}

func validateStrategy(strategy coordinationv1.CoordinatedLeaseStrategy, path *field.Path) (errs field.ErrorList) {
	known := []coordinationv1.CoordinatedLeaseStrategy{coordinationv1.OldestEmulationVersion}
	if !strings.Contains(string(strategy), "/") {
		if !slices.Contains(known, strategy) {
			errs = append(errs, field.NotSupported(path, strategy, known))
		}
		return errs
	}
	for _, fault := range validation.IsQualifiedName(string(strategy)) {
		errs = append(errs, field.Invalid(path, strategy, fault))
	}
	return errs
}
