// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"errors"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

// ErrRefused is returned by the writes of a fenced client (see manager.Fenced) when a policy refused them. The write
// was not done.
var ErrRefused = errors.New("refused by fencing")

// A Refusal says which policy refused a write.
type Refusal struct {
	Policy Policy
	Lease  types.NamespacedName // of the policy's Settings
}

// refusal finds the policy's name, which is always in the API server's message.
var refusal = func() *regexp.Regexp {
	var names []string
	for _, p := range Policies() {
		names = append(names, string(p))
	}
	return regexp.MustCompile(`ValidatingAdmissionPolicy '(` + strings.Join(names, "|") + `)\.([a-z0-9.-]+)\.([a-z0-9-]+)\.` + regexp.QuoteMeta(suffix) + `'`)
}()

// RefusalOf returns which policy made the API server refuse a write with this error, if one of this package's did. It
// takes any client's error.
func RefusalOf(err error) (Refusal, bool) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return Refusal{}, false
	}
	found := refusal.FindStringSubmatch(status.Status().Message)
	if found == nil {
		return Refusal{}, false
	}
	return Refusal{Policy(found[1]), types.NamespacedName{Name: found[2], Namespace: found[3]}}, true
}

// IsRefused reports whether a policy of this package made the API server refuse a write with this error. It takes any
// client's error.
func IsRefused(err error) bool {
	_, refused := RefusalOf(err)
	return refused
}
