// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"context"
	"errors"
	"fmt"
	"os"

	authenticationv1 "k8s.io/api/authentication/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ErrMismatch is returned by Identity and Check if the policies would refuse what this replica writes even while it
// leads. The text says what to change.
var ErrMismatch = errors.New("this replica does not fit the fencing policies")

// Identity returns the identity by which the policies Holder and Guard recognise the pod of this process: $POD_NAME,
// "_" and $POD_UID. A restarted container has the same one as before. Two of the operator's processes must not run in
// one pod: the policies cannot tell them apart.
func Identity() (string, error) {
	name, uid := os.Getenv("POD_NAME"), os.Getenv("POD_UID")
	if name == "" || uid == "" {
		return "", fmt.Errorf("%w: POD_NAME: %q, POD_UID: %q: both must be set, in the pod's env by valueFrom.fieldRef, from metadata.name and metadata.uid", ErrMismatch, name, uid)
	}
	return podIdentity(name, uid), nil
}

func podIdentity(name, uid string) string { return name + "_" + uid }

// Check asks the API server who this replica is to it. It returns an error that is ErrMismatch, with everything that
// does not fit, if the policies would refuse writes made with c while the Lease names identity. It needs only the
// permission to create selfsubjectreviews, which everyone has.
func Check(ctx context.Context, c client.Client, s Settings, identity string) error {
	var review authenticationv1.SelfSubjectReview
	if err := c.Create(ctx, &review); err != nil {
		return fmt.Errorf("fencing: SelfSubjectReview: %w", err)
	}
	return mismatch(review.Status.UserInfo, s, identity)
}

func mismatch(user authenticationv1.UserInfo, s Settings, identity string) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if user.Username != s.username() {
		fault("ServiceAccount: %q: is not who this replica is to the API server: it is %q", s.username(), user.Username)
	}
	name, uid := first(user.Extra[podName]), first(user.Extra[podUID])
	switch {
	case !s.Has(Holder) && !s.Has(Guard):
	case name == "" || uid == "":
		fault("the token of %q is bound to no pod: use the one that the kubelet mounts at /var/run/secrets/kubernetes.io/serviceaccount, or one from a TokenRequest with the pod as its boundObjectRef", user.Username)
	case identity != podIdentity(name, uid):
		fault("Identity: %q: must name the pod whose token is used, as %q: set POD_NAME and POD_UID in the pod's env, by valueFrom.fieldRef, from metadata.name and metadata.uid", identity, podIdentity(name, uid))
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%w", ErrMismatch, errors.Join(faults...))
}

func first(values authenticationv1.ExtraValue) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
