// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
)

// preflight logs which permissions are missing, and when they have been granted.
func (s *leaderServices) preflight(ctx context.Context) {
	told := false
	checkPermissions(ctx, s.log, s.missing, func(missing []string) {
		switch {
		case len(missing) > 0:
			s.log.ErrorContext(ctx, "the Service cannot point at this replica when it leads: it lacks permissions on EndpointSlices",
				"missing", missing, "namespace", s.namespace, "grant", s.role())
		case told:
			s.log.InfoContext(ctx, "the permissions on EndpointSlices that were missing are granted")
		}
		told = len(missing) > 0
	})
}

func (s *leaderServices) missing(ctx context.Context) (missing []string, err error) {
	ask := func(verb, name string) {
		if err != nil {
			return
		}
		var ok bool
		if ok, err = allowed(ctx, s.clientset, resource{discoveryv1.GroupName, "endpointslices", s.namespace, name}, verb); !ok && err == nil {
			missing = append(missing, strings.TrimSpace(verb+" "+name))
		}
	}
	for _, p := range s.publish {
		for _, verb := range []string{"get", "list", "watch", "update"} {
			ask(verb, p.name)
		}
	}
	for _, p := range s.vacate {
		for _, verb := range []string{"get", "update"} {
			ask(verb, p.name)
		}
	}
	ask("create", "")
	return missing, err
}
