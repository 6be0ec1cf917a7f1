// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// changed is what happened to shards since the latest line about them.
type changed struct{ acquired, lost int }

// began must be called when a shard's term begins.
func (s *Shards) began(h *holding, cause string, free time.Time) {
	s.metrics.acquired.WithLabelValues(cause).Inc()
	if !free.IsZero() {
		s.metrics.unserved.Observe(time.Since(free).Seconds())
	}
	s.mu.Lock()
	s.held[h.shard] = h
	s.changes.acquired++
	s.mu.Unlock()
	s.logger.Debug("shard acquired", "shard", h.shard, "cause", cause, "token", h.part.Term().Token)
}

// ended must be called when a shard's work has ended.
func (s *Shards) ended(h *holding) {
	if h.ending.IsZero() {
		h.ending = time.Now()
	}
	s.metrics.ended(h)
	s.mu.Lock()
	delete(s.held, h.shard)
	s.changes.lost++
	s.mu.Unlock()
	s.logger.Debug("shard stopped", "shard", h.shard, "cause", context.Cause(h.part.Context()))
}

// report logs how many shards this replica holds, if that has changed.
func (s *Shards) report() bool {
	s.mu.Lock()
	held, changes := len(s.held), s.changes
	s.changes = changed{}
	s.mu.Unlock()
	if changes == (changed{}) {
		return false
	}
	s.logger.Info("shards changed", "held", held, "acquired", changes.acquired, "lost", changes.lost)
	return true
}

// reminder is how often a trouble that goes on is logged again.
const reminder = 10 * time.Minute

// trouble remembers which trouble was logged when.
type trouble struct {
	mu     sync.Mutex // guards logged
	logged map[string]time.Time
}

func (t *trouble) isNew(what string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.logged[what]; ok && time.Since(last) < reminder {
		return false
	}
	if t.logged == nil {
		t.logged = map[string]time.Time{}
	}
	t.logged[what] = time.Now()
	return true
}

// clear forgets all trouble, and reports whether there was any.
func (t *trouble) clear() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	some := len(t.logged) > 0
	t.logged = nil
	return some
}

// troubled logs a failure that will be tried again, once while it goes on.
func (s *Shards) troubled(what string, err error) {
	if s.trouble.isNew(what) {
		s.logger.Warn(what, "err", err)
	} else {
		s.logger.Debug(what, "err", err)
	}
}

// recovered must be called when a request has succeeded.
func (s *Shards) recovered() {
	if s.trouble.clear() {
		s.logger.Info("requests about the shards succeed again")
	}
}

// Healthz returns an error if the process should be restarted. It has the signature of the liveness checks of
// controller-runtime (healthz.Checker) and of k8s.io/apiserver. It fails when Start has ended with an error or a panic,
// when the work of a lost session is still running although other replicas may have its shards, and when the work of a
// shard does not stop. It does not fail before Start, after a clean stop, without shards, nor while the API server is
// away.
func (s *Shards) Healthz(r *http.Request) error {
	s.mu.Lock()
	err, session := errors.Join(s.result, s.failure), s.session
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("shards ended: %w", err)
	}
	return session.Healthz(r)
}
