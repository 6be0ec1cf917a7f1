// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Policy is one of the ways in which the API server refuses writes.
type Policy string

// The policies. They work independently of one another.
const (
	// Holder refuses writes of pods that the Lease does not name.
	Holder Policy = "holder"
	// Epoch refuses updates with a token lower than the object's.
	Epoch Policy = "epoch"
	// Guard refuses writes of the Lease itself that no honest candidate makes.
	Guard Policy = "guard"
)

// Policies returns all policies there are.
func Policies() []Policy { return []Policy{Holder, Epoch, Guard} }

// Settings say what is fenced. All replicas of an operator have the same Settings.
type Settings struct {
	// Lease is the one that the operator's replicas contend for. Required.
	Lease types.NamespacedName
	// ServiceAccount is that of the operator's pods. Required. The policies look at nobody else's writes: people, garbage
	// collection, the namespace controller and other operators write as before.
	ServiceAccount types.NamespacedName
	// Resources are fenced by Holder and Epoch, which need at least one: for example APIGroups apps, APIVersions v1,
	// Resources deployments and deployments/status. Subresources are named separately; "deployments/*" stands for all of
	// them and deployments itself. The policies follow a resource through all its versions. Groups and resources must be
	// named, other than by "*", because a standby has to write Leases and Events. Resources that policies cannot guard are
	// refused.
	Resources []admissionv1.Rule
	// Namespaces limit Holder and Epoch to objects in these and to objects that are in none. Default: all.
	Namespaces []string
	// Exempt are field managers (client.WithFieldOwner) under which the operator's pods write whether they lead or not.
	// Holder and Epoch let them pass. Deletions have no field manager. Writes under another ServiceAccount need no
	// exemption.
	Exempt []string
	// StatusToken names a field of status, of type string, that holds the term's token. Epoch then looks at it in writes
	// of /status, and a client with manager.StampingEpoch writes it. Custom resources need it, because the API server
	// drops annotations from writes of their /status. A status that has no such field is fenced by the annotation alone.
	// Default: none.
	StatusToken string
	// DenyWithoutLease makes Holder refuse all writes of the fenced resources while the Lease does not exist, even those
	// of people, because the API server then does not get as far as asking who writes. Nobody can create such objects
	// before the first election, and a namespace that contains both the Lease and fenced objects may never finish its
	// deletion. Default: Holder lets all writes pass then, because nobody leads without a Lease.
	DenyWithoutLease bool
	// Policies are those to install. Default: Holder, Epoch and Guard.
	Policies []Policy
}

// Has reports whether the Settings include the policy.
func (s Settings) Has(p Policy) bool { return len(s.Policies) == 0 || slices.Contains(s.Policies, p) }

// suffix ends the names of all policies, to tell their refusals from those of other policies.
const suffix = "fencing.kube-elector.io"

func (s Settings) name(p Policy) string {
	return fmt.Sprintf("%s.%s.%s.%s", p, s.Lease.Name, s.Lease.Namespace, suffix)
}

// username returns the API server's name for the ServiceAccount.
func (s Settings) username() string {
	return "system:serviceaccount:" + s.ServiceAccount.Namespace + ":" + s.ServiceAccount.Name
}
