// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// permissions are what a candidate lacks on a Lease, and on the Pods of the others if its leader has crash detection.
type permissions struct {
	// ServiceAccount is NAMESPACE:NAME.
	ServiceAccount string `json:"serviceAccount"`
	// Missing are verbs on the Lease.
	Missing []string `json:"missing"`
	// MissingOnPods are verbs on Pods in the namespace of the leader's.
	MissingOnPods []string `json:"missingOnPods,omitempty"`
}

// words says what is missing, and what a candidate cannot do without it.
func (p permissions) words() string {
	var all []string
	if len(p.Missing) > 0 {
		all = append(all, strings.Join(p.Missing, ", ")+" ("+p.consequence()+")")
	}
	if len(p.MissingOnPods) > 0 {
		all = append(all, strings.Join(p.MissingOnPods, ", ")+" on Pods (it notices a crash only when the Lease lapses)")
	}
	return strings.Join(all, ", and ")
}

// consequence says what a candidate cannot do without the permissions.
func (p permissions) consequence() string {
	switch {
	case len(p.Missing) == 0:
		return "nothing is missing"
	case slices.Equal(p.Missing, []string{"watch"}):
		return "it takes over more slowly without watch"
	}
	return "it cannot lead"
}

// account returns the namespace and the name of a ServiceAccount: NAME, NAMESPACE:NAME, NAMESPACE/NAME or
// system:serviceaccount:NAMESPACE:NAME.
func account(text, namespace string) (ns, name string, err error) {
	rest := strings.TrimPrefix(text, "system:serviceaccount:")
	ns, name, found := strings.Cut(strings.Replace(rest, "/", ":", 1), ":")
	if !found {
		ns, name = namespace, rest
	}
	for _, faults := range [][]string{validation.ValidateNamespaceName(ns, false), validation.ValidateServiceAccountName(name, false)} {
		if len(faults) > 0 {
			return "", "", usagef("--check-as: %q: must be NAME or NAMESPACE:NAME of a ServiceAccount: %s", text, faults[0])
		}
	}
	return ns, name, nil
}

// check asks the API server what a ServiceAccount may do to a Lease. It may need to create the Lease only if that does
// not exist.
func check(ctx context.Context, client kubernetes.Interface, ns, name string, lease report) (*permissions, error) {
	p := &permissions{ServiceAccount: ns + ":" + name, Missing: []string{}}
	verbs := []string{"get", "update", "watch"}
	if lease.State == absent {
		verbs = append(verbs, "create")
	}
	may := func(on authorizationv1.ResourceAttributes) (bool, error) {
		reply, err := client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{
				ResourceAttributes: &on,
				User:               "system:serviceaccount:" + ns + ":" + name,
				Groups:             []string{"system:serviceaccounts", "system:serviceaccounts:" + ns, "system:authenticated"},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			return false, access{verb: "create", resource: "subjectaccessreviews.authorization.k8s.io"}.failed(err)
		}
		return reply.Status.Allowed, nil
	}
	for _, verb := range verbs {
		on := authorizationv1.ResourceAttributes{
			Group: "coordination.k8s.io", Resource: "leases", Verb: verb, Namespace: lease.Namespace, Name: lease.Name,
		}
		if verb == "create" {
			on.Name = "" // cannot be granted for a name
		}
		ok, err := may(on)
		if err != nil {
			return nil, err
		}
		if !ok {
			p.Missing = append(p.Missing, verb)
		}
	}
	podsIn, _, detects := strings.Cut(lease.Pod, "/")
	for _, verb := range []string{"get", "watch"} {
		if !detects {
			break
		}
		ok, err := may(authorizationv1.ResourceAttributes{Resource: "pods", Verb: verb, Namespace: podsIn})
		if err != nil {
			return nil, err
		}
		if !ok {
			p.MissingOnPods = append(p.MissingOnPods, verb)
		}
	}
	return p, nil
}
