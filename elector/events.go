// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"log/slog"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// begun tells of a term's beginning.
func (e *Elector) begun(ctx context.Context, t *term) {
	e.announce()
	if !e.config.Enabled {
		e.logger.InfoContext(ctx, "leading without an election, as Enabled is false")
		return
	}
	e.logger.InfoContext(ctx, "leading", "token", t.Token, "transitions", t.Transitions)
	e.event(corev1.EventTypeNormal, reasonElection, "BecomeLeader", short(e.config.Identity)+" became leader")
	if e.view == nil || len(e.config.Annotations) == 0 {
		return
	}
	if obs, _ := e.view.Get(); obs.Ours && len(ReadLease(obs.Lease).Annotations) < len(e.config.Annotations) {
		e.logger.WarnContext(ctx, "Config.Annotations are not on the Lease: its other annotations leave no room for them, or something has removed them")
	}
}

// ended tells of a term's end, which began at started and is complete now.
func (e *Elector) ended(ctx context.Context, t *term, cause error, started lease.Moment) {
	took := lease.Now().Mono - started.Mono
	e.metrics().ended(cause, took.Seconds())
	e.trouble.forget(cannotRenew) // the line below tells what came of it
	attrs := []any{"cause", cause, "token", t.Token, "drained", took.Round(time.Microsecond)}
	level, kind := slog.LevelInfo, corev1.EventTypeNormal
	if !voluntary(cause) || t.overErr != nil {
		level, kind = slog.LevelWarn, corev1.EventTypeWarning
	}
	if t.overErr != nil {
		attrs = append(attrs, "err", t.overErr)
	}
	e.logger.Log(ctx, level, "stopped leading", attrs...)
	e.event(kind, reasonElection, "StopLeading", short(e.config.Identity)+" stopped leading: "+cause.Error())
}

// watchRestarted notes that the watcher has begun another watch than its first.
func (e *Elector) watchRestarted(err error) {
	e.metrics().watches.Inc()
	if err != nil {
		e.troubled(context.Background(), cannotWatch, err)
	}
}

// reasonElection is the reason of client-go's own Events, which dashboards and alerts look for, as they do for "became
// leader" and "stopped leading".
const reasonElection = "LeaderElection"

// event puts an Event on the Lease.
func (e *Elector) event(kind, reason, action, note string) {
	if e.config.EventRecorder == nil || e.view == nil {
		return
	}
	ref := &corev1.ObjectReference{
		APIVersion: coordinationv1.SchemeGroupVersion.String(), Kind: "Lease",
		Namespace: e.config.LeaseNamespace, Name: e.config.LeaseName,
	}
	if obs, _ := e.view.Get(); obs.Lease != nil {
		ref.UID = obs.Lease.UID
	}
	e.config.EventRecorder.Eventf(ref, nil, kind, reason, action, "%s", note)
}
