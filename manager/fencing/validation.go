// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
)

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// reserved words of CEL cannot be the name of a field in an expression.
var reserved = strings.Fields("as break const continue else false for function if import in let loop namespace null package return true var void while")

// Validate returns every rule that the settings break, joined into one error. Each names the field, its value and the
// rule.
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
