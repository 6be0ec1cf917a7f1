// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// preflightTimeout bounds one check of the permissions.
	preflightTimeout = 10 * time.Second
	// preflightPeriod is the time between two, until nothing is missing.
	preflightPeriod = 10 * time.Minute
)

var (
	// leaseVerbs are what a replica does to the Lease.
	leaseVerbs = []string{"get", "update", "watch", "create"}
	// shardVerbs are what it does to all Leases in the namespace, with shards.
	shardVerbs = []string{"get", "list", "watch", "create", "update"}
)

// permissions are what this replica may do to the Lease.
type permissions struct {
	clientset       kubernetes.Interface
	namespace, name string
	shards          bool // whether there are shards
	log             *slog.Logger
	told            bool // the log says that some are missing
}

// preflight logs which permissions on the Lease are missing, and when they have been granted: a replica without them
// would stand by for ever and never say why. It never keeps a replica from trying. It returns when nothing is missing,
// or when ctx ends.
func (p *permissions) preflight(ctx context.Context) {
	checkPermissions(ctx, p.log, p.check, func(missing []string) { p.tell(ctx, missing) })
}

// checkPermissions calls check, and tell with what is missing, until that is nothing, or ctx ends.
func checkPermissions(ctx context.Context, log *slog.Logger, check func(context.Context) ([]string, error), tell func(missing []string)) {
	for {
		bounded, cancel := context.WithTimeoutCause(ctx, preflightTimeout, errors.New("no answer in time"))
		missing, err := check(bounded)
		cancel()
		if err != nil && ctx.Err() == nil {
			log.DebugContext(ctx, "cannot check the permissions for leader election", "err", err)
		}
		if err == nil || len(missing) > 0 {
			tell(missing)
		}
		if err == nil && len(missing) == 0 || !pause(ctx, preflightPeriod) {
			return
		}
	}
}

func (p *permissions) tell(ctx context.Context, missing []string) {
	verbs, grant := leaseVerbs, role(p.namespace, p.name)
	if p.shards {
		verbs, grant = shardVerbs, shardsRole(p.namespace, p.name)
	}
	exposeMissing(p.namespace, p.name, verbs, missing)
	attrs := []any{
		"verbs", strings.Join(missing, ","), "resource", "leases.coordination.k8s.io",
		"namespace", p.namespace, "name", p.name, "grant", grant,
	}
	switch {
	case len(missing) == 0:
		if p.told {
			p.log.InfoContext(ctx, "the permissions on the Lease that were missing are granted")
		}
	case slices.Equal(missing, []string{"watch"}):
		p.log.WarnContext(ctx, "this replica takes over more slowly: it lacks a permission on the Lease", attrs...)
	default:
		p.log.ErrorContext(ctx, "this replica cannot lead: it lacks permissions on the Lease", attrs...)
	}
	p.told = len(missing) > 0
}

func (p *permissions) check(ctx context.Context) ([]string, error) {
	if p.shards {
		return missingShardVerbs(ctx, p.clientset, p.namespace)
	}
	return missingVerbs(ctx, p.clientset, p.namespace, p.name)
}

// missingShardVerbs asks the API server what this replica may do to all Leases in the namespace.
func missingShardVerbs(ctx context.Context, clientset kubernetes.Interface, namespace string) ([]string, error) {
	var missing []string
	for _, verb := range shardVerbs {
		ok, err := allowed(ctx, clientset, resource{"coordination.k8s.io", "leases", namespace, ""}, verb)
		if err != nil {
			return missing, err
		}
		if !ok {
			missing = append(missing, verb)
		}
	}
	return missing, nil
}

// missingVerbs asks the API server what this replica may do to the Lease. To create it is needed only as long as there
// is none, as far as can be seen.
func missingVerbs(ctx context.Context, clientset kubernetes.Interface, namespace, name string) ([]string, error) {
	var missing []string
	lease := resource{"coordination.k8s.io", "leases", namespace, name}
	for _, verb := range []string{"get", "update", "watch"} {
		ok, err := allowed(ctx, clientset, lease, verb)
		if err != nil {
			return missing, err
		}
		if !ok {
			missing = append(missing, verb)
		}
	}
	// The verb create cannot be granted for a name.
	lease.name = ""
	if ok, err := allowed(ctx, clientset, lease, "create"); ok || err != nil {
		return missing, err
	}
	_, err := clientset.CoordinationV1().Leases(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return append(missing, "create"), nil
	}
	return missing, err
}

// A resource is an object of the API, or all of a kind if name is "".
type resource struct{ group, kind, namespace, name string }

// allowed reports whether this replica may do something.
func allowed(ctx context.Context, clientset kubernetes.Interface, r resource, verb string) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Group: r.group, Resource: r.kind, Verb: verb, Namespace: r.namespace, Name: r.name,
		},
	}}
	reply, err := clientset.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("SelfSubjectAccessReview for %s: %w", verb, err)
	}
	return reply.Status.Allowed, nil
}

// podVerbs are what a replica does to the Pods of others, with crash detection.
var podVerbs = []string{"get", "watch"}

// checkPods logs which permissions crash detection lacks, and when they have been granted. It returns when nothing is
// missing, or when ctx ends.
func (p *permissions) checkPods(ctx context.Context) {
	namespace := cmp.Or(os.Getenv("POD_NAMESPACE"), p.namespace)
	check := func(ctx context.Context) (missing []string, err error) {
		for _, verb := range podVerbs { // of any name: a replica's name is not known before
			ok, err := allowed(ctx, p.clientset, resource{"", "pods", namespace, ""}, verb)
			if err != nil {
				return missing, err
			}
			if !ok {
				missing = append(missing, verb)
			}
		}
		return missing, nil
	}
	told := false
	checkPermissions(ctx, p.log, check, func(missing []string) {
		switch {
		case len(missing) > 0:
			p.log.InfoContext(ctx, "this replica notices crashes of others only after LeaseDuration: it lacks permissions on Pods",
				"verbs", strings.Join(missing, ","), "resource", "pods", "namespace", namespace, "grant", podsRole(namespace))
		case told:
			p.log.InfoContext(ctx, "the permissions on Pods that were missing are granted")
		}
		told = len(missing) > 0
	})
}
