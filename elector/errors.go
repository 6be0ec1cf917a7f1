// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// These say why a term ended. They are the context.Cause of the term's context, to be recognised with errors.Is. The
// first reason wins.
var (
	// ErrLeaseExpired says that RenewDeadline has passed since the last acknowledged renewal was sent.
	ErrLeaseExpired = errors.New("lease expired: not renewed within RenewDeadline")
	// ErrTakenOver says that the Lease names another holder, or none, or was rewritten under this replica's Identity by
	// another process.
	ErrTakenOver = errors.New("lease taken over")
	// ErrLeaseDeleted says that the Lease is gone, or is another object of that name.
	ErrLeaseDeleted = errors.New("lease deleted")
	// ErrSteppedDown says that [Elector.StepDown] was called.
	ErrSteppedDown = errors.New("stepped down")
	// ErrStopped says that Start's context was cancelled, or that the Elector ended.
	ErrStopped = errors.New("elector stopped")
)

// What the methods return, to be recognised with errors.Is.
var (
	// ErrDrainTimeout is returned by Start when OnStartedLeading, or OnStoppedLeading after it, has not returned in time:
	// DrainTimeout after the term's context ended or, if the Lease was lost, LeaseDuration−RenewDeadline after that,
	// whichever comes first. The error names the callback, or says that holds (Term.Hold) are open. The Lease has not been
	// released and the work may still be running while another replica leads: the process must exit.
	ErrDrainTimeout = errors.New("the leader's work did not stop in time")
	// ErrOnNewLeaderHung is returned by Start when OnNewLeader has not returned by the time Start must. The leader's work
	// has ended all the same.
	ErrOnNewLeaderHung = errors.New("OnNewLeader did not return")
	// ErrRequestHung is returned by Start when a request to the API server ignores its context and still goes on. Nothing
	// waits for such a request, but it can cost a term, and the log names it too.
	ErrRequestHung = lease.ErrHung
	// ErrAlreadyStarted is returned by every call of Start but the first.
	ErrAlreadyStarted = errors.New("elector was started before")
	// ErrNotReleased is returned by StepDown, and by Start with ReleaseOnCancel, when the work has ended but the Lease is
	// still, or may be, in this replica's name, as the API server did not acknowledge the release. The next leader has to
	// wait until the Lease lapses.
	ErrNotReleased = errors.New("lease not released")
)
