// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"log/slog"
	"testing"

	"go.uber.org/goleak"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/kube-elector/elector/elector"
)

func TestMain(m *testing.M) {
	// Without a logger controller-runtime complains, from a goroutine, after 30s.
	log.SetLogger(NewLogr(quiet))
	goleak.VerifyTestMain(m)
}

var quiet = slog.New(slog.DiscardHandler)

// term drives Callbacks as an Elector would.
type term struct {
	callbacks elector.Callbacks
	cancel    context.CancelCauseFunc
	done      chan struct{} // closed when the callbacks have returned
}

// beginTerm calls the callbacks of one term in a goroutine, which end awaits.
func beginTerm(callbacks elector.Callbacks) *term {
	ctx, cancel := context.WithCancelCause(context.Background())
	t := &term{callbacks: callbacks, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(t.done)
		callbacks.OnStartedLeading(ctx)
		<-ctx.Done()
		if callbacks.OnStoppedLeading != nil {
			callbacks.OnStoppedLeading()
		}
	}()
	return t
}

func (t *term) end(cause error) {
	t.cancel(cause)
	<-t.done
}

// begun is a function's run that can be looked at from outside.
type begun struct {
	err  chan error
	stop context.CancelFunc
}

// begin runs f in a goroutine, which wait awaits.
func begin(f func(context.Context) error) *begun {
	ctx, cancel := context.WithCancel(context.Background())
	b := &begun{err: make(chan error, 1), stop: cancel}
	go func() { b.err <- f(ctx) }()
	return b
}

func (b *begun) wait() error {
	defer b.stop()
	return <-b.err
}

// returned reports whether f has returned. Only for use after synctest.Wait.
func (b *begun) returned() bool { return len(b.err) > 0 }
