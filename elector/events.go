// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"log/slog"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
)

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
