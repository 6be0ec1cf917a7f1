// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
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
	// ServiceAccount is that of the operator's pods. Required. The policies look at nobody else's writes:
	// people, garbage collection, the namespace controller and other operators write as before.
	ServiceAccount types.NamespacedName
	// Resources are fenced by Holder and Epoch, which need at least one: for example APIGroups apps,
	// APIVersions v1, Resources deployments and deployments/status. Subresources are named separately;
	// "deployments/*" stands for all of them and deployments itself. The policies follow a resource
	// through all its versions. Groups and resources must be named, other than by "*", because a standby
	// has to write Leases and Events. Resources that policies cannot guard are refused.
	Resources []admissionv1.Rule
	// Namespaces limit Holder and Epoch to objects in these and to objects that are in none. Default: all.
	Namespaces []string
	// Exempt are field managers (client.WithFieldOwner) under which the operator's pods write whether they
	// lead or not. Holder and Epoch let them pass. Deletions have no field manager. Writes under another
	// ServiceAccount need no exemption.
	Exempt []string
	// StatusToken names a field of status, of type string, that holds the term's token. Epoch then looks
	// at it in writes of /status, and a client with manager.StampingEpoch writes it. Custom resources
	// need it, because the API server drops annotations from writes of their /status. A status that has
	// no such field is fenced by the annotation alone. Default: none.
	StatusToken string
	// DenyWithoutLease makes Holder refuse all writes of the fenced resources while the Lease does not
	// exist, even those of people, because the API server then does not get as far as asking who writes.
	// Nobody can create such objects before the first election, and a namespace that contains both the
	// Lease and fenced objects may never finish its deletion. Default: Holder lets all writes pass then,
	// because nobody leads without a Lease.
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

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// reserved words of CEL cannot be the name of a field in an expression.
var reserved = strings.Fields("as break const continue else false for function if import in let loop namespace null package return true var void while")

// Validate returns every rule that the settings break, joined into one error. Each names the field, its
// value and the rule.
func (s Settings) Validate() error {
	var f faults
	f.name("Lease.Namespace", s.Lease.Namespace, validation.ValidateNamespaceName)
	f.name("Lease.Name", s.Lease.Name, validation.NameIsDNSSubdomain)
	if n, most := len(s.name(Holder)), 253; n > most && len(s.Lease.Name) <= most {
		f.add("Lease.Name", s.Lease.Name, fmt.Sprintf("is %d bytes too long for the policies' names to have it in them", n-most))
	}
	f.name("ServiceAccount.Namespace", s.ServiceAccount.Namespace, validation.ValidateNamespaceName)
	f.name("ServiceAccount.Name", s.ServiceAccount.Name, validation.ValidateServiceAccountName)
	for i, ns := range s.Namespaces {
		f.name(fmt.Sprintf("Namespaces[%d]", i), ns, validation.ValidateNamespaceName)
	}
	f.twice("Namespaces", s.Namespaces)
	for i, name := range s.Exempt {
		if name == "" || len(metav1validation.ValidateFieldManager(name, nil)) > 0 {
			f.add(fmt.Sprintf("Exempt[%d]", i), name, "must be a field manager: 1 to 128 printable characters")
		}
	}
	f.twice("Exempt", s.Exempt)
	switch {
	case s.StatusToken == "":
	case !identifier.MatchString(s.StatusToken):
		f.add("StatusToken", s.StatusToken, "must be the name of one field of status, of letters, digits and _")
	case slices.Contains(reserved, s.StatusToken):
		f.add("StatusToken", s.StatusToken, "must not be a reserved word of CEL")
	}
	for i, p := range s.Policies {
		switch {
		case !slices.Contains(Policies(), p):
			f.add(fmt.Sprintf("Policies[%d]", i), p, fmt.Sprintf("must be %q, %q or %q", Holder, Epoch, Guard))
		case slices.Contains(s.Policies[:i], p):
			f.add(fmt.Sprintf("Policies[%d]", i), p, "is named twice")
		}
	}
	return errors.Join(append(f, s.resourceFaults()...)...)
}

// faults are rules that the settings break.
type faults []error

func (f *faults) add(field string, value any, rule string) {
	*f = append(*f, fmt.Errorf("%s: %q: %s", field, value, rule))
}

// name adds what is wrong with a name that is required.
func (f *faults) name(field, value string, valid validation.ValidateNameFunc) {
	if value == "" {
		f.add(field, value, "is required")
		return
	}
	for _, rule := range valid(value, false) {
		f.add(field, value, rule)
	}
}

// twice adds the values that are in the list before.
func (f *faults) twice(field string, values []string) {
	for i, value := range values {
		if slices.Contains(values[:i], value) {
			f.add(field, value, "is named twice")
		}
	}
}

// list adds what is wrong with a list that must have something in it.
func (f *faults) list(field string, values []string, fault func(string) string) {
	if len(values) == 0 {
		f.add(field, values, "at least one is required")
	}
	for _, value := range values {
		if rule := fault(value); rule != "" {
			f.add(field, value, rule)
		}
	}
	f.twice(field, values)
}
