// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"time"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// remaining returns how long a term whose last acknowledged write was sent at sent is still certain at m. No other
// candidate claims before the Lease has been unchanged for LeaseDuration since it saw that write, and so not before
// sent+LeaseDuration.
func remaining(m, sent lease.Moment, renewDeadline time.Duration) time.Duration {
	return max(0, renewDeadline-reaction(renewDeadline)-m.LeaderSince(sent))
}

// reaction returns the part of RenewDeadline that is kept for a late timer on a busy machine, so that the work's
// context ends by the deadline and not after it. It is 1 %, and at most 50 ms.
func reaction(renewDeadline time.Duration) time.Duration {
	return min(renewDeadline/100, 50*time.Millisecond)
}
