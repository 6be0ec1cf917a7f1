// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"log/slog"

	corev1 "k8s.io/api/core/v1"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// sighted runs after every new observation of the Lease, on the goroutine of the observer.
func (e *Elector) sighted() {
	// The term before the view: what is seen then is no older than the write that began the term. The other way round, the
	// Lease as it was before that write could be taken for a loss.
	t := e.term.Load()
	obs, _ := e.view.Get()
	if t != nil {
		t.observed(obs)
		e.obey(t, obs)
	}
	if obs.Holder() != "" && !obs.Ours {
		e.rival.Store(int64(obs.Changed.Mono))
	}
	if e.duplicates.found(obs, e.config.Identity) {
		e.logger.Error("another process uses this Identity: each candidate needs its own; this one will not lead beside it",
			"holder", short(obs.Holder()))
		e.event(corev1.EventTypeWarning, "DuplicateIdentity", "StandBy", "another process uses the identity "+short(e.config.Identity))
	}
	e.announce()
}

// announce tells of the leader if it has changed.
func (e *Elector) announce() {
	leader, changed := e.announcer.tell(e.GetLeader)
	if changed && leader != "" && leader != e.config.Identity {
		if !e.trouble.refused(cannotClaim) {
			e.trouble.forget(cannotClaim) // there is nothing to claim
		}
		level := slog.LevelInfo
		if !e.trouble.mayTellLeader(lease.Now()) { // leaders that follow each other without end
			level = slog.LevelDebug
		}
		what := "standing by"
		if e.term.Load() != nil { // its work has not returned yet
			what = "another replica leads"
		}
		e.logger.Log(context.Background(), level, what, "leader", short(leader))
	}
}

// heard takes in the API server's answer to a request, or what a watch delivers.
func (e *Elector) heard(kind lease.Kind, err error) {
	what := failures[kind]
	if code := lease.StatusCode(err); err == nil || 400 <= code && code < 500 {
		e.contact.Store(int64(lease.Now().Mono))
	}
	if err != nil {
		return
	}
	e.worked(context.Background(), what)
	// With a watch nothing may be read for a long time to come. But its bookmarks come, too, while reads are tried in
	// vain.
	if what == cannotWatch && e.trouble.untried(cannotRead, lease.Now(), e.config.slow()) {
		e.worked(context.Background(), cannotRead)
	}
}
