// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager/fencing"
)

// fence lets the writes of a client through that a term covers.
type fence struct {
	lead    Leadership
	c       client.Client
	stamped []client.Object    // types
	epochs  []fencing.Settings // whose resources are stamped
	status  bool               // writes are of the subresource status
	outside bool               // lets writes pass whose context is of no term
}

// outsideTerms makes a fenced client pass the writes that belong to no term.
func outsideTerms(f *fence) { f.outside = true }

// of returns the fence for a subresource.
func (f fence) of(subresource string) *fence {
	if f.status = subresource == "status"; !f.status {
		f.stamped, f.epochs = nil, nil
	}
	return &f
}

// lag is how long a refusal may mean that the API server has not seen yet who leads. On a healthy one that takes
// milliseconds. It adds up to 2.6s.
var lag = wait.Backoff{Duration: 5 * time.Millisecond, Factor: 2, Steps: 10}

// write does a write, and repeats it while it is refused only because the API server has not heard of the new leader.
func (f *fence) write(ctx context.Context, do func(context.Context) error) error {
	for backoff := lag; ; {
		err := f.attempt(ctx, do)
		refusal, refused := fencing.RefusalOf(err)
		if !refused {
			return err
		}
		left, over := f.remaining(ctx)
		if refusal.Policy == fencing.Holder && left >= WriteTime && backoff.Steps > 1 && pause(ctx, backoff.Step()) {
			continue
		}
		refusedWrites.WithLabelValues(refusal.Lease.Namespace, refusal.Lease.Name, string(refusal.Policy)).Inc()
		err = fmt.Errorf("%w: %w", fencing.ErrRefused, err)
		if over {
			return reconcile.TerminalError(err)
		}
		return err
	}
}

// pause reports whether ctx lasted for the duration.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt does a write within the time that is certain.
func (f *fence) attempt(ctx context.Context, do func(context.Context) error) error {
	left, over := f.remaining(ctx)
	if left < WriteTime {
		err := fmt.Errorf("%w: %v left, a write needs %v", ErrNotLeading, left.Round(time.Millisecond), WriteTime)
		if over {
			return reconcile.TerminalError(err)
		}
		return err
	}
	bounded, cancel := context.WithTimeoutCause(ctx, left, ErrNotLeading)
	defer cancel()
	err := do(bounded)
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(bounded), ErrNotLeading) {
		return fmt.Errorf("%w: cut off at the end of the term: %w", ErrNotLeading, err)
	}
	return err
}

// remaining returns the time a write has, and whether there will never be more in this context.
func (f *fence) remaining(ctx context.Context) (left time.Duration, over bool) {
	term, ok := elector.TermFromContext(ctx)
	switch {
	case ok:
		left = term.Remaining()
		over = left == 0
	case f.lead != nil, f.outside:
		left = math.MaxInt64
	}
	if f.lead != nil {
		left = min(left, f.lead.Remaining())
	}
	return left, over
}
