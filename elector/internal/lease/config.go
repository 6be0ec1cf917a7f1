// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
)

// A Config says which Lease it is and who asks for it, and what the owner of the [Client] wants to hear. No function
// may be nil. They are called without a lock, on the goroutine that has the news, and concurrently.
type Config struct {
	Name, Namespace string
	Self            Author

	LeaseDuration time.Duration // of this candidate
	RenewDeadline time.Duration
	RetryPeriod   time.Duration
	Attempt       time.Duration // bounds one request
	Slow          time.Duration // the longest pause between two watches of a standby
	// Longest is the longest recorded duration that counts although nobody was seen to renew.
	Longest time.Duration

	// Process is the key of the annotation by which a record names the process that wrote it, if its end can be known. If
	// it is "" no end is.
	Process string

	Logger logr.Logger // for client-go's lines
	Usage  *Usage

	// Note returns what [Observation.Note] keeps when a Lease, or nil for none, is seen at m after an observation. It is
	// called under a lock and must not call the Client or its View.
	Note func(before Observation, lease *coordinationv1.Lease, m Moment) any
	// Sighted is told of every new observation.
	Sighted func()
	// Heard is told of every answer, or of the error that stands for it, and of what a watch delivers.
	Heard func(kind Kind, err error)
	// WatchRestarted is told of every watch but the first, and of why the one before ended: nil if the API server ended it
	// in good order.
	WatchRestarted func(error)
	// Leading reports whether this candidate leads, so that it learns most from its renewals.
	Leading func() bool
}

// A Kind is a kind of requests that can fail apart from the others.
type Kind string

// Kinds of requests.
const (
	Read  Kind = "read"
	Write Kind = "write"
	Watch Kind = "watch"
)
