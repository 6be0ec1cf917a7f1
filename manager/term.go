// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kube-elector/elector/elector"
)

// termManager is the ctrl.Manager an EachTerm set-up is given: what is built
// with it lives for one term. The rest is the parent's.
type termManager struct {
	ctrl.Manager // the parent

	cache   *termCache
	client  client.Client
	lead    *termLead
	warm    *group        // warm-ups, from standby to the term's end
	elected chan struct{} // closed when the term begins
	over    chan struct{} // closed when all that ran in the term has returned

	mu      sync.Mutex // guards all below
	waiting []manager.Runnable
	term    *group // nil until the term begins
	closed  bool   // it never will
}

func newTermManager(ctx context.Context, s *termSource, g *Gate) *termManager {
	lead := &termLead{}
	return &termManager{
		Manager: s.parent,
		cache:   &termCache{Cache: s.parent.GetCache(), indexes: s.indexes},
		client:  Fenced(s.parent.GetClient(), lead, s.fences...),
		lead:    lead,
		warm:    newGroup(ctx, g.fail, g.log),
		elected: make(chan struct{}),
		over:    make(chan struct{}),
	}
}

// Add has a leader-gated runnable run for the term.
func (t *termManager) Add(r manager.Runnable) error {
	name := describe(r)
	if !leaderGated(r) {
		return fmt.Errorf("%s: runs on every replica, not for a term: add it to the Manager itself, outside EachTerm", name)
	}
	guard(r)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.term == nil && !t.closed:
		t.waiting = append(t.waiting, r)
		return nil
	case t.term != nil && t.term.start(name, r.Start):
		return nil
	}
	return fmt.Errorf("%s: the term is over: %w", name, ErrStopped)
}

// Start is refused: the Gate starts what was added.
func (t *termManager) Start(context.Context) error {
	return errors.New("the manager of a term is not to be started: it runs what was added to it when the term begins")
}

// Elected is closed when the term begins.
func (t *termManager) Elected() <-chan struct{} { return t.elected }

// GetCache returns the parent's cache; event handlers that are added through it
// are removed at the end of the term.
func (t *termManager) GetCache() cache.Cache { return t.cache }

// GetFieldIndexer returns the cache's indexer, for which see termCache.
func (t *termManager) GetFieldIndexer() client.FieldIndexer { return t.cache }

// GetClient returns the parent's client, fenced by the term.
func (t *termManager) GetClient() client.Client { return t.client }

// GetControllerOptions has controllers warm up while standing by, and lets
// their names come again in the next term.
func (t *termManager) GetControllerOptions() config.Controller {
	options := t.Manager.GetControllerOptions()
	options.SkipNameValidation = ptr.To(true)
	options.EnableWarmup = ptr.To(true)
	return options
}

// warmUp calls the Warmup of all that has one, without waiting for it.
func (t *termManager) warmUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.waiting {
		if w, ok := r.(warmable); ok {
			t.warm.start("warm-up of "+describe(r), w.Warmup)
		}
	}
}

// begin starts everything in the term's group.
func (t *termManager) begin(term *group) {
	if current, ok := elector.TermFromContext(term.ctx); ok {
		t.lead.term.Store(&current)
	}
	t.mu.Lock()
	t.term = term
	for _, r := range t.waiting {
		term.start(describe(r), r.Start)
	}
	t.waiting = nil
	t.mu.Unlock()
	close(t.elected)
}

// cool ends the context of the warm-ups, and with it the controllers' queues.
func (t *termManager) cool(cause error) { t.warm.cancel(cause) }

// discard leaves nothing behind of a set that has run, or never will.
func (t *termManager) discard() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.cool(elector.ErrStopped)
	t.warm.close()
	t.cache.release()
	t.warm.wait()
}

// termLead says how long a term lasts that may not have begun.
type termLead struct{ term atomic.Pointer[elector.Term] }

// Remaining is 0 before the term begins and after its end.
func (l *termLead) Remaining() time.Duration {
	if term := l.term.Load(); term != nil {
		return term.Remaining()
	}
	return 0
}
