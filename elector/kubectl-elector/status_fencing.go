// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/pager"
)

// The admission policies of package manager/fencing, which this package does not import because it would bring
// controller-runtime. Each has the name POLICY.LEASE.NAMESPACE and this suffix.
var fencingPolicies = []string{"holder", "epoch", "guard"}

const fencingSuffix = ".fencing.kube-elector.io"

// fencing says which policies are in force for a Lease.
type fencing struct {
	// Installed are those that have a binding that denies.
	Installed []string `json:"installed"`
	// Unenforced are those that have none.
	Unenforced []string `json:"unenforced,omitempty"`
	// Unknown is why it is not known what is installed.
	Unknown string `json:"unknown,omitempty"`
}

func (f *fencing) String() string {
	switch {
	case f == nil:
		return ""
	case f.Unknown != "":
		return "?"
	}
	all := slices.Clone(f.Installed)
	for _, name := range f.Unenforced {
		all = append(all, name+" (not enforced)")
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

// policies are what the cluster has.
type policies struct {
	names  map[string]bool // of the policies
	denied map[string]bool // of those that a binding makes deny
	err    error
}

// policiesOf reads the policies and their bindings, in two requests.
func policiesOf(ctx context.Context, client kubernetes.Interface) policies {
	p := policies{names: map[string]bool{}, denied: map[string]bool{}}
	api := client.AdmissionregistrationV1()
	p.err = each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return api.ValidatingAdmissionPolicies().List(ctx, o)
	}, access{verb: "list", resource: "validatingadmissionpolicies.admissionregistration.k8s.io"}, func(object runtime.Object) {
		if policy, ok := object.(*admissionv1.ValidatingAdmissionPolicy); ok {
			p.names[policy.Name] = true
		}
	})
	if p.err != nil {
		return p
	}
	p.err = each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return api.ValidatingAdmissionPolicyBindings().List(ctx, o)
	}, access{verb: "list", resource: "validatingadmissionpolicybindings.admissionregistration.k8s.io"}, func(object runtime.Object) {
		b, ok := object.(*admissionv1.ValidatingAdmissionPolicyBinding)
		if ok && slices.Contains(b.Spec.ValidationActions, admissionv1.Deny) {
			p.denied[b.Spec.PolicyName] = true
		}
	})
	return p
}

// of returns what fences the Lease.
func (p policies) of(namespace, name string) *fencing {
	if p.err != nil {
		return &fencing{Installed: []string{}, Unknown: p.err.Error()}
	}
	f := &fencing{Installed: []string{}}
	for _, policy := range fencingPolicies {
		switch full := policy + "." + name + "." + namespace + fencingSuffix; {
		case p.denied[full] && p.names[full]:
			f.Installed = append(f.Installed, policy)
		case p.names[full]:
			f.Unenforced = append(f.Unenforced, policy)
		}
	}
	return f
}

// each calls see for every object of a list that is read in pages.
func each(ctx context.Context, list pager.ListPageFunc, a access, see func(runtime.Object)) error {
	return a.failed(pager.New(list).EachListItem(ctx, metav1.ListOptions{}, func(object runtime.Object) error {
		see(object)
		return nil
	}))
}
