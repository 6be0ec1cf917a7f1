// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

// selection says which Leases a list or a watch is about.
type selection struct {
	namespace string          // "": all
	name      string          // "": all; as read from the field selector
	fields    fields.Selector // what else that asks for, and the name again
	labels    labels.Selector
}

func newSelection(namespace string, opts metav1.ListOptions) (selection, error) {
	want := selection{namespace: namespace}
	var err error
	if want.labels, err = labels.Parse(opts.LabelSelector); err != nil {
		return want, apierrors.NewBadRequest(err.Error())
	}
	if want.fields, err = fields.ParseSelector(opts.FieldSelector); err != nil {
		return want, apierrors.NewBadRequest(err.Error())
	}
	for _, term := range want.fields.Requirements() {
		if term.Field != metav1.ObjectNameField && term.Field != "metadata.namespace" {
			return want, apierrors.NewBadRequest(fmt.Sprintf(
				"%q is not a known field selector: only \"metadata.name\", \"metadata.namespace\"", term.Field))
		}
	}
	want.name, _ = want.fields.RequiresExactMatch(metav1.ObjectNameField)
	if want.name != "" && len(want.fields.Requirements()) == 1 {
		want.fields = fields.Everything() // asked of every write, and the name is compared faster
	}
	return want, nil
}

// includes returns false for nil.
func (s selection) includes(lease *coordinationv1.Lease) bool {
	return lease != nil &&
		(s.namespace == "" || s.namespace == lease.Namespace) &&
		(s.name == "" || s.name == lease.Name) &&
		s.labels.Matches(labels.Set(lease.Labels)) &&
		(s.fields.Empty() || s.fields.Matches(fields.Set{
			metav1.ObjectNameField: lease.Name,
			"metadata.namespace":   lease.Namespace,
		}))
}
