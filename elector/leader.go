// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"maps"
	"time"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// A Leader is what a replica knows of the leader, by the Lease.
type Leader struct {
	// Identity is the leader's Identity.
	Identity string
	// Token is the token of its term. It is "" if the Lease does not say: the leader is no Elector, or another tool has
	// just removed the annotation.
	Token Token
	// Since is when its term began, by the leader's clock.
	Since time.Time
	// Transitions is the Lease's leaseTransitions.
	Transitions int
	// Annotations are the leader's [Config.Annotations], nil if it has none.
	Annotations map[string]string
	// Lapsed reports whether it is known no longer to lead: its time has passed by this replica's clock, or its work has
	// ended and nobody else leads yet.
	Lapsed bool
}

// Leader returns what this replica knows of the leader. It reports false until a holder was seen, and while the Lease
// names none. It makes no request, and may be called concurrently, in OnNewLeader too.
//
// A replica with a healthy watch hears of another leader within milliseconds, and without one within two RetryPeriods,
// or at the rate that is said under Load in the package comment. Until then it names the former leader, and it cannot
// know whether that still leads. About this replica itself it says as much as [Elector.Term].
//
// A follower can check a token it is shown with a request: one that is lower than Token, by [Token.Compare], is of a
// former leader. An equal one is the leader's, as far as this replica knows. A higher one is of a leader that this
// replica has not heard of yet. That keeps nobody's write away from an effect. A receiver that must not accept a former
// leader's keeps the highest token that it has seen.
func (e *Elector) Leader() (Leader, bool) {
	if t, ok := e.Term(); ok {
		return Leader{
			Identity: t.Identity, Token: t.Token, Since: t.AcquiredAt, Transitions: t.Transitions,
			Annotations: maps.Clone(e.config.Annotations),
		}, true
	}
	if e.view == nil {
		return Leader{}, false
	}
	obs, _ := e.view.Get()
	r := ReadLease(obs.Lease)
	if r.Holder == "" {
		return Leader{}, false
	}
	return Leader{
		Identity: r.Holder, Token: r.Token, Since: r.Acquired, Transitions: r.Transitions,
		Annotations: r.Annotations, Lapsed: obs.ClaimableIn(lease.Now()) == 0,
	}, true
}
