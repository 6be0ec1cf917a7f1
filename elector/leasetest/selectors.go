// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// An object is what the Server stores: a Lease or a Pod. A stored one is replaced, never changed.
type object interface {
	metav1.Object
	runtime.Object
}

// The kinds of objects, as their requests name them.
const (
	leaseKind = "leases"
	podKind   = "pods"
)

// selection says which objects a list or a watch is about.
type selection struct {
	kind      string
	namespace string          // "": all
	name      string          // "": all; as read from the field selector
	fields    fields.Selector // what else that asks for, and the name again
	labels    labels.Selector
}

func newSelection(kind, namespace string, opts metav1.ListOptions) (selection, error) {
	want := selection{kind: kind, namespace: namespace}
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

// includes reports whether an object of the selection's kind is selected. It returns false for nil.
func (s selection) includes(o object) bool {
	return o != nil &&
		(s.namespace == "" || s.namespace == o.GetNamespace()) &&
		(s.name == "" || s.name == o.GetName()) &&
		s.labels.Matches(labels.Set(o.GetLabels())) &&
		(s.fields.Empty() || s.fields.Matches(fields.Set{
			metav1.ObjectNameField: o.GetName(),
			"metadata.namespace":   o.GetNamespace(),
		}))
}
