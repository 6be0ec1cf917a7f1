// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// health keeps how Start has ended.
type health struct {
	mu  sync.Mutex // guards err
	err error
}

func (h *health) set(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

func (h *health) get() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// errPanicked is what Healthz tells when Start was left by a panic.
var errPanicked = errors.New("a callback panicked")

// Healthz returns an error if the process should be restarted. It has the signature of the liveness checks of
// controller-runtime (healthz.Checker) and of k8s.io/apiserver. It fails when Start has ended with an error or a panic,
// and when the work of a lost term is still running although another replica may lead. It does not fail before Start,
// after a clean stop, on a standby, nor while the API server is away.
func (e *Elector) Healthz(*http.Request) error {
	if err := e.health.get(); err != nil {
		return fmt.Errorf("elector ended: %w", err)
	}
	t := e.term.Load()
	if t == nil || t.held() > 0 {
		return nil
	}
	since := lease.Now().LeaderSince(t.lastSent())
	if since <= e.config.LeaseDuration {
		return nil
	}
	return fmt.Errorf("elector: the leader's work is still running %v after the term's last renewal; another replica may lead",
		since.Round(time.Millisecond))
}
