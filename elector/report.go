// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"log/slog"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// reminder is how often a trouble that goes on is logged again.
const reminder = 10 * time.Minute

// sighted is called after every news about the Lease, by whoever brought it.
func (e *Elector) sighted() {
	// The term before the view: what is seen then is no older than the write that
	// began the term. The other way round, the Lease as it was before that write
	// could be taken for a loss.
	t := e.term.Load()
	obs, _ := e.view.get()
	if t != nil {
		t.observed(obs)
	}
	if e.identity.duplicate(obs, e.self) {
		e.logger.Error("another process uses this Identity: each candidate needs its own; this one will not lead beside it",
			"holder", short(holder(obs.lease)))
		e.record(corev1.EventTypeWarning, "DuplicateIdentity", "another process uses the identity "+short(e.config.Identity))
	}
	e.announce()
}

// announce tells of the leader if it has changed.
func (e *Elector) announce() {
	leader, changed := e.announcer.tell(e.GetLeader)
	if changed && leader != "" && leader != e.config.Identity {
		e.logger.Info("standing by", "leader", short(leader))
	}
}

// begun tells of a term's beginning.
func (e *Elector) begun(ctx context.Context, t *term) {
	e.announce()
	e.logger.InfoContext(ctx, "leading", "token", t.Token, "transitions", t.Transitions)
	e.record(corev1.EventTypeNormal, "Leading", short(e.config.Identity)+" became leader")
}

// ended tells of a term's end, which began at started and is complete now.
func (e *Elector) ended(ctx context.Context, t *term, cause error, started moment) {
	took := now().mono - started.mono
	e.metrics().ended(cause, took.Seconds())
	attrs := []any{"cause", cause, "token", t.Token, "drained", took.Round(time.Microsecond)}
	level := slog.LevelWarn
	if voluntary(cause) {
		level = slog.LevelInfo
	}
	if t.overErr != nil {
		level, attrs = max(level, slog.LevelWarn), append(attrs, "err", t.overErr)
	}
	e.logger.Log(ctx, level, "stopped leading", attrs...)
	e.record(corev1.EventTypeNormal, "StoppedLeading", short(e.config.Identity)+" stopped leading: "+cause.Error())
}

// watchRestarted is told by the watcher of every watch but the first.
func (e *Elector) watchRestarted(err error) {
	e.metrics().watches.Inc()
	if err != nil {
		e.troubled(context.Background(), "the watch of the Lease has failed, opening another", err)
	}
}

// record puts an Event on the Lease.
func (e *Elector) record(kind, reason, note string) {
	if e.config.EventRecorder == nil || e.view == nil {
		return
	}
	ref := &corev1.ObjectReference{
		APIVersion: coordinationv1.SchemeGroupVersion.String(), Kind: "Lease",
		Namespace: e.config.LeaseNamespace, Name: e.config.LeaseName,
	}
	if obs, _ := e.view.get(); obs.lease != nil {
		ref.UID = obs.lease.UID
	}
	e.config.EventRecorder.Eventf(ref, nil, kind, reason, "LeaderElection", "%s", note)
}

// troubled logs a failure that will be tried again: loudly when it is a new
// one, so that a candidate that cannot lead says why, and quietly while it goes
// on.
func (e *Elector) troubled(ctx context.Context, what string, err error) {
	level := slog.LevelDebug
	if e.trouble.isNew(what) {
		level = slog.LevelWarn
	}
	e.logger.Log(ctx, level, what, "err", err)
}

// trouble remembers what was logged when.
type trouble struct {
	mu     sync.Mutex // guards logged
	logged map[string]moment
}

func (t *trouble) isNew(what string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, known := t.logged[what]
	if known && now().standbySince(last) < reminder {
		return false
	}
	if t.logged == nil {
		t.logged = map[string]moment{}
	}
	t.logged[what] = now()
	return true
}

// identityGuard finds out whether another process uses our Identity.
type identityGuard struct {
	mu       sync.Mutex // guards all below
	uid      types.UID
	seen     string // the renewTime last seen on a record with our Identity that is not ours
	reported *moment
}

// duplicate reports that the Lease shows another process with our identity, at
// most once per reminder. A record that was left by an earlier process of that
// name does not change; one that does has a living writer.
func (g *identityGuard) duplicate(obs observation, self author) bool {
	lease := obs.lease
	if holder(lease) != self.identity || obs.ours || lease.Spec.RenewTime == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	renewed := lease.Spec.RenewTime.UTC().String()
	alive := g.uid == lease.UID && g.seen != "" && g.seen != renewed
	g.uid, g.seen = lease.UID, renewed
	if !alive || g.reported != nil && now().standbySince(*g.reported) < reminder {
		return false
	}
	m := now()
	g.reported = &m
	return true
}
