// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kube-elector/elector/elector/internal/crash"
	"github.com/kube-elector/elector/elector/internal/wait"
)

// turn is the time between two replicas that would write the same.
const turn = 20 * time.Millisecond

// corpse is a process that has ended, and the session that it has left behind.
type corpse struct {
	mortal
	instance crash.Instance
	end      crash.End
	record   *coordinationv1.Lease // as it was when the end was seen
	seen     time.Time
}

// bury ends the session when Grace is over. If its process has renewed it since its end, by its own clock, the process
// lives after all, and the session must lapse.
func (c *crashes) bury(ctx context.Context, last corpse) {
	grace := c.grace(ctx)
	c.s.logger.InfoContext(ctx, "the container of another replica has ended", "pod", last.instance.Name(),
		"exitCode", last.end.ExitCode, "reason", last.end.Reason, "grace", grace)
	wait.Sleep(ctx, time.Until(last.seen.Add(grace))+c.turn(last.mortal))
	for pause := firstBackoff; ctx.Err() == nil; pause = min(2*pause, 2*c.s.config.RetryPeriod) {
		now := c.s.view.replica(last.session)
		if now == nil {
			return
		}
		late := processOf(now) == last.process && now.Spec.RenewTime.Time.Before(last.end.Before)
		if !late && !sameRecord(now, last.record) {
			c.s.logger.DebugContext(ctx, "a session was renewed though its container has ended", "lease", last.lease)
			return
		}
		if left := c.s.view.doubtedFor(last.session, time.Now()); left > 0 {
			wait.Sleep(ctx, left)
			continue
		}
		err := c.s.client.end(ctx, now, true)
		if err == nil {
			return
		}
		if lostRace(err) || apierrors.IsNotFound(err) {
			_, err = c.s.client.read(ctx, last.lease)
		}
		if err != nil && ctx.Err() == nil {
			c.s.troubled("cannot end the session of a replica that has crashed", err)
		}
		wait.Sleep(ctx, jitter(pause))
	}
}

// grace returns how long a session is left alone after its process was seen to end.
func (c *crashes) grace(ctx context.Context) time.Duration {
	detection := c.s.config.CrashDetection
	grace := crash.Grace(detection.Grace, c.s.config.LeaseDuration-c.s.config.RenewDeadline)
	if grace > 0 && detection.Fenced != nil {
		bounded, cancel := context.WithTimeout(ctx, grace)
		defer cancel()
		if detection.Fenced(bounded) {
			return 0
		}
	}
	return grace
}

// turn returns how long this replica leaves the session to others that watch it, too.
func (c *crashes) turn(m mortal) time.Duration {
	ring, _ := c.s.view.ring()
	return turn * time.Duration(min(max(0, slices.Index(ring, m)), watched))
}
