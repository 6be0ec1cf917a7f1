// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// obey steps down if the Lease asks for the end of this term. Nobody waits for it here. Without a token, as with
// client-go's fake clientset, nobody can ask. A request that comes too soon after the one before is looked at again
// with every renewal. Something that asks every new leader at once would have nobody lead for long.
func (e *Elector) obey(t *term, obs lease.Observation) {
	if t.Token == "" || !obs.Ours || obs.Lease.Annotations[StepDownAnnotation] != string(t.Token) || t.held() == 0 {
		return
	}
	m := lease.Now()
	if last := e.obeyed.Load(); last != nil && m.StandbySince(*last) < e.config.slow() || !t.asked.CompareAndSwap(false, true) {
		return
	}
	e.obeyed.Store(&m)
	e.logger.InfoContext(context.WithoutCancel(t.ctx), "stepping down: an annotation on the Lease asks for it", "token", t.Token)
	e.stepDowns.ask()
}
