// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// preflightTimeout bounds the permission check.
const preflightTimeout = 10 * time.Second

// preflight tells, in one log line, which permissions on the Lease are missing:
// a replica without them would stand by for ever and never say why. It never
// keeps a replica from trying, as permissions may come later.
func preflight(ctx context.Context, clientset kubernetes.Interface, namespace, name string, log *slog.Logger) {
	ctx, cancel := context.WithTimeoutCause(ctx, preflightTimeout, errors.New("no answer in time"))
	defer cancel()
	missing, err := missingVerbs(ctx, clientset, namespace, name)
	if err != nil {
		log.DebugContext(ctx, "cannot check the permissions for leader election", "err", err)
	}
	if len(missing) > 0 {
		log.ErrorContext(ctx, "this replica cannot lead: it lacks permissions on the Lease",
			"verbs", strings.Join(missing, ","), "resource", "leases.coordination.k8s.io",
			"namespace", namespace, "name", name, "grant", role(namespace, name))
	}
}

// missingVerbs asks the API server what this replica may do to the Lease. To
// create it is needed only as long as there is none, as far as can be seen.
func missingVerbs(ctx context.Context, clientset kubernetes.Interface, namespace, name string) ([]string, error) {
	var missing []string
	for _, verb := range []string{"get", "update", "watch"} {
		ok, err := allowed(ctx, clientset, verb, namespace, name)
		if err != nil {
			return missing, err
		}
		if !ok {
			missing = append(missing, verb)
		}
	}
	// The verb create cannot be granted for a name.
	if ok, err := allowed(ctx, clientset, "create", namespace, ""); ok || err != nil {
		return missing, err
	}
	_, err := clientset.CoordinationV1().Leases(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return append(missing, "create"), nil
	}
	return missing, err
}

func allowed(ctx context.Context, clientset kubernetes.Interface, verb, namespace, name string) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Group: "coordination.k8s.io", Resource: "leases", Verb: verb, Namespace: namespace, Name: name,
		},
	}}
	reply, err := clientset.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("SelfSubjectAccessReview for %s: %w", verb, err)
	}
	return reply.Status.Allowed, nil
}

// role is the least that lets a replica lead.
func role(namespace, name string) string {
	return fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  namespace: %[1]s
  name: %[2]s-leader-election
rules:
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [%[2]s]
  verbs: [get, update, watch]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
`, namespace, name)
}
