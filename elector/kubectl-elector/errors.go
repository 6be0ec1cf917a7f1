// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNo          = 3
	exitNobody      = 4
	exitInterrupted = 130
)

var (
	// errNo is returned if the answer to the question is no, and has been printed.
	errNo = errors.New("no")
	// errNobody is returned by step-down if no other replica leads.
	errNobody = errors.New("no other replica leads")
)

// A usageError is a fault in the command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// An access is a request to the API server, in RBAC's words.
type access struct{ verb, resource, namespace, name string }

const leases = "leases.coordination.k8s.io"

func (a access) String() string {
	text := a.verb + " " + a.resource
	if a.name != "" {
		text += fmt.Sprintf(" %q", a.name)
	}
	switch {
	case a.namespace != "":
		text += fmt.Sprintf(" in namespace %q", a.namespace)
	case strings.HasPrefix(a.resource, "leases"):
		text += " in all namespaces"
	}
	return text
}

// failed returns the error of a request. It names the permission if that is what was missing.
func (a access) failed(err error) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot "+a.verb+" resource"): // not by admission
		return fmt.Errorf("missing permission to %v: %w", a, err)
	case apierrors.IsNotFound(err) && a.name != "":
		return a.missing()
	default:
		return fmt.Errorf("cannot %v: %w", a, err)
	}
}

// missing returns the error of a Lease that does not exist.
func (a access) missing() error {
	return fmt.Errorf("there is no Lease %q in namespace %q", a.name, a.namespace)
}
