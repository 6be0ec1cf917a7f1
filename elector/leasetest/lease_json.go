// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// throughJSON returns the Lease as the server decodes it from a JSON request. Bytes that are not UTF-8 have become
// U+FFFD, and a pointer to a zero time has become nil. It returns an error for a time outside of the years 0 to 9999,
// which JSON cannot express. It may return in itself.
func throughJSON(in *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	if survivesJSON(in) {
		return in, nil
	}
	return encoded(in)
}

// encoded encodes the Lease and decodes it again.
func encoded(in *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	out := &coordinationv1.Lease{}
	if err := json.Unmarshal(text, out); err != nil {
		return nil, fmt.Errorf("the Lease cannot be stored as JSON: %w", err)
	}
	return out, nil
}

// survivesJSON reports whether JSON is known not to change the Lease, except for what [clean] does anyway. What
// candidates write survives, and encoding takes many times as long as the rest of a request.
func survivesJSON(in *coordinationv1.Lease) bool {
	spec := &in.Spec
	if len(in.OwnerReferences)+len(in.Finalizers)+len(in.ManagedFields) > 0 || in.DeletionTimestamp != nil ||
		spec.Strategy != nil || spec.PreferredHolder != nil || !expressible(&metav1.MicroTime{Time: in.CreationTimestamp.Time}, true) ||
		!expressible(spec.AcquireTime, false) || !expressible(spec.RenewTime, false) {
		return false
	}
	for _, s := range []string{in.Name, in.GenerateName, in.Namespace, in.ResourceVersion, string(in.UID), in.Kind, in.APIVersion} {
		if !utf8.ValidString(s) {
			return false
		}
	}
	for _, m := range []map[string]string{in.Labels, in.Annotations} {
		for key, value := range m {
			if !utf8.ValidString(key) || !utf8.ValidString(value) {
				return false
			}
		}
	}
	return spec.HolderIdentity == nil || utf8.ValidString(*spec.HolderIdentity)
}

// expressible reports whether JSON has a form for the time. The zero time is null.
func expressible(t *metav1.MicroTime, zero bool) bool {
	if t == nil || t.IsZero() {
		return t == nil || zero
	}
	year := t.UTC().Year()
	return 0 <= year && year <= 9999
}
