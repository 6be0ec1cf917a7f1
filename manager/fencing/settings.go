// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/validation"
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

// Settings say what is fenced. They are those of an operator, not of a replica:
// all its replicas have the same.
type Settings struct {
	// Lease is the one the operator's replicas contend for. Required.
	Lease types.NamespacedName
	// ServiceAccount is that of the operator's pods. Required. Nobody else's
	// writes are looked at: those of people, garbage collection, the namespace
	// controller and other operators pass.
	ServiceAccount types.NamespacedName
	// Resources are guarded by Holder and Epoch, which need at least one: such as
	// APIGroups apps, APIVersions v1, Resources deployments and
	// deployments/status. Subresources are named separately. Groups and
	// resources must be named, other than by "*": a standby has to write Leases
	// and Events.
	Resources []admissionv1.Rule
	// Namespaces limit Holder and Epoch to objects in these. Default: all, and
	// objects that are in none. If set, the latter are guarded too.
	Namespaces []string
	// Exempt are field managers (client.WithFieldOwner) under which the
	// operator's pods write whether they lead or not; Holder and Epoch let them
	// pass. Deletions have no field manager. What writes under a ServiceAccount
	// of its own needs no exemption.
	Exempt []string
	// StatusToken names the field of status into which the operator itself
	// writes the term's token, as a string, with all it writes into status.
	// Epoch then looks at it in writes of /status. For custom resources there is
	// no other way: the API server drops annotations from writes of their
	// /status. Default: none.
	StatusToken string
	// DenyWithoutLease has Holder refuse all writes of the guarded resources while
	// there is no Lease: everybody's, as the API server then does not get as far
	// as asking who writes. People cannot make such objects before the first
	// election, and a namespace with both the Lease and guarded objects in it may
	// never be rid of them. Default: as nobody leads without a Lease, and
	// whoever is to lead makes one first, Holder lets all writes pass.
	DenyWithoutLease bool
	// Policies are those to have. Default: Holder, Epoch and Guard.
	Policies []Policy
}

// has reports whether the policy is wanted.
func (s Settings) has(p Policy) bool { return len(s.Policies) == 0 || slices.Contains(s.Policies, p) }

// suffix ends the names of all policies, so that refusals can be told apart
// from those of other policies.
const suffix = "fencing.kube-elector.io"

func (s Settings) name(p Policy) string {
	return fmt.Sprintf("%s.%s.%s.%s", p, s.Lease.Name, s.Lease.Namespace, suffix)
}

// username is how the API server calls the ServiceAccount.
func (s Settings) username() string {
	return "system:serviceaccount:" + s.ServiceAccount.Namespace + ":" + s.ServiceAccount.Name
}

var (
	identifier   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	fieldManager = regexp.MustCompile(`^[[:print:]]{1,128}$`)
)

// Validate reports every rule the settings break, joined into one error, each
// naming the field, its value and the rule.
func (s Settings) Validate() error {
	var faults []error
	fault := func(field string, value any, rule string) {
		faults = append(faults, fmt.Errorf("%s: %q: %s", field, value, rule))
	}
	check := func(field, value string, valid validation.ValidateNameFunc) {
		if value == "" {
			fault(field, value, "is required")
			return
		}
		for _, rule := range valid(value, false) {
			fault(field, value, rule)
		}
	}
	check("Lease.Namespace", s.Lease.Namespace, validation.ValidateNamespaceName)
	check("Lease.Name", s.Lease.Name, validation.NameIsDNSSubdomain)
	if n, most := len(s.name(Holder)), 253; n > most && len(s.Lease.Name) <= most {
		fault("Lease.Name", s.Lease.Name, fmt.Sprintf("is %d bytes too long for the policies' names to have it in them", n-most))
	}
	check("ServiceAccount.Namespace", s.ServiceAccount.Namespace, validation.ValidateNamespaceName)
	check("ServiceAccount.Name", s.ServiceAccount.Name, validation.ValidateServiceAccountName)
	for i, ns := range s.Namespaces {
		check(fmt.Sprintf("Namespaces[%d]", i), ns, validation.ValidateNamespaceName)
	}
	for i, name := range s.Exempt {
		if !fieldManager.MatchString(name) {
			fault(fmt.Sprintf("Exempt[%d]", i), name, "must be a field manager: 1 to 128 printable characters")
		}
	}
	if s.StatusToken != "" && !identifier.MatchString(s.StatusToken) {
		fault("StatusToken", s.StatusToken, "must be the name of one field of status, of letters, digits and _")
	}
	for i, p := range s.Policies {
		if !slices.Contains([]Policy{Holder, Epoch, Guard}, p) {
			fault(fmt.Sprintf("Policies[%d]", i), p, fmt.Sprintf("must be %q, %q or %q", Holder, Epoch, Guard))
		}
	}
	return errors.Join(append(faults, s.resourceFaults()...)...)
}

func (s Settings) resourceFaults() []error {
	var faults []error
	if len(s.Resources) == 0 && (s.has(Holder) || s.has(Epoch)) {
		faults = append(faults, errors.New("Resources: []: at least one is required by the policies holder and epoch"))
	}
	for i, rule := range s.Resources {
		field := fmt.Sprintf("Resources[%d]", i)
		for _, list := range []struct {
			name   string
			values []string
		}{{"APIGroups", rule.APIGroups}, {"APIVersions", rule.APIVersions}, {"Resources", rule.Resources}} {
			if len(list.values) == 0 {
				faults = append(faults, fmt.Errorf("%s.%s: []: at least one is required", field, list.name))
			}
		}
		for _, group := range rule.APIGroups {
			if group == "*" {
				faults = append(faults, fmt.Errorf("%s.APIGroups: %q: must be named, as standbys have to write Leases and Events", field, group))
			}
			for _, resource := range rule.Resources {
				if why := cmp.Or(standbyWrites[[2]string{group, resource}], wildcard[resource]); why != "" {
					faults = append(faults, fmt.Errorf("%s.Resources: %q: %s", field, resource, why))
				}
			}
		}
	}
	return faults
}

// standbyWrites are resources that every replica writes.
var standbyWrites = map[[2]string]string{
	{"coordination.k8s.io", "leases"}: "must not be guarded: a standby could never claim the Lease; the policy guard is for it",
	{"", "events"}:                    "must not be guarded: standbys record Events",
	{"events.k8s.io", "events"}:       "must not be guarded: standbys record Events",
}

var wildcard = map[string]string{
	"*":   "must be named, as standbys have to write Leases and Events",
	"*/*": "must be named, as standbys have to write Leases and Events",
}
