// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import "time"

// A LastTerm says how a term ended. Who releases the Lease writes it with the release. If nobody
// did, the next leader writes with its claim what it has seen.
type LastTerm struct {
	// Holder is the Identity of the term's leader.
	Holder string `json:"holder"`
	// Token is the term's token, "" if it is not known.
	Token Token `json:"token,omitempty"`
	// Reason is why the term ended.
	Reason EndReason `json:"reason"`
	// Message says more, for people. It may be empty.
	Message string `json:"message,omitempty"`
	// Ended is when the Lease was released or, by the next leader's clock, when the end was seen.
	Ended time.Time `json:"ended"`
}

// An EndReason is why a term ended, in a word. Programs should expect others, too.
type EndReason string

// Why a term ended.
const (
	// EndReleased is a leader that was stopped and has released the Lease.
	EndReleased EndReason = "released"
	// EndSteppedDown is a leader that released the Lease because StepDown was called, or asked for
	// by [StepDownAnnotation].
	EndSteppedDown EndReason = "step-down"
	// EndLapsed is a leader that did not renew the Lease in time: it has crashed, or could not reach
	// the API server, or was stopped and did not release.
	EndLapsed EndReason = "lapsed"
	// EndDeleted is a leader whose Lease was deleted.
	EndDeleted EndReason = "deleted"
	// EndTakenOver is a leader whose record was replaced by another while it was valid, or whose
	// name was removed from it.
	EndTakenOver EndReason = "taken-over"
)
