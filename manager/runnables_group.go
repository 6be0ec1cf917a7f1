// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
)

// group runs functions under one context and knows which have not returned.
type group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	fail   func(error) // told of errors returned while ctx lasts
	log    *slog.Logger
	wg     sync.WaitGroup

	mu      sync.Mutex // guards all below
	running map[*task]struct{}
	closed  bool
}

type task struct{ name string }

func newGroup(parent context.Context, fail func(error), log *slog.Logger) *group {
	ctx, cancel := context.WithCancelCause(parent)
	return &group{ctx: ctx, cancel: cancel, fail: fail, log: log, running: map[*task]struct{}{}}
}

// start runs f in a goroutine. It reports false if the group is closed.
func (g *group) start(name string, f func(context.Context) error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	t := &task{name}
	g.running[t] = struct{}{}
	g.wg.Go(func() {
		err := f(g.ctx)
		g.mu.Lock()
		delete(g.running, t)
		g.mu.Unlock()
		g.returned(name, err)
	})
	return true
}

// returned treats an error as controller-runtime does: it ends the manager, unless it comes from work that has been
// told to stop.
func (g *group) returned(name string, err error) {
	switch {
	case err == nil:
	case g.ctx.Err() == nil:
		g.fail(err)
	case !errors.Is(err, context.Canceled):
		g.log.Error("error of a runnable that was being stopped", "runnable", name, "err", err)
	}
}

// close lets nothing start any more.
func (g *group) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// wait waits for all that was started. The group must be closed.
func (g *group) wait() { g.wg.Wait() }

// names says who has not returned yet.
func (g *group) names() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var names []string
	for t := range g.running {
		names = append(names, t.name)
	}
	slices.Sort(names)
	return names
}
