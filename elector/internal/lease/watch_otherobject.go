// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// An Other is an object beside the Lease that must be known. Requests about it are as bounded as those about the Lease.
type Other[T runtime.Object] struct {
	// Kind is its kind, for errors and logs, and Name its name.
	Kind, Name string
	// Get and Watch are those of a clientset.
	Get   func(ctx context.Context, name string, options metav1.GetOptions) (T, error)
	Watch func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error)
}

// Read returns the object. It avoids the connection of the watches, which may be dead.
func (o Other[T]) Read(ctx context.Context, a *Asker) (T, error) {
	get := func(ctx context.Context) (T, error) { return o.Get(ctx, o.Name, metav1.GetOptions{}) }
	object, err := askIn(ctx, a, &call{apart: true}, "get "+o.Kind, get)
	if err != nil {
		return object, fmt.Errorf("read the %s: %w", o.Kind, err)
	}
	return object, nil
}

// Follow watches the object, and calls saw with it as it is at first and after each change. A deletion is not a change.
// It returns when interrupt delivers, which interrupted says, when the watch or ctx ends, or when the watch cannot be
// opened. opened is called when it is open.
func (o Other[T]) Follow(parent context.Context, a *Asker, interrupt <-chan struct{}, opened func(), saw func(T)) (interrupted bool, err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	stream, err := a.OpenWatch(ctx, cancel, "watch "+o.Kind, named(o.Name, ""), o.Watch)
	if err != nil {
		return false, fmt.Errorf("watch the %s: %w", o.Kind, err)
	}
	defer stream.Stop()
	opened()
	for {
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-interrupt:
			return true, nil
		case event, open := <-stream.ResultChan():
			if !open {
				return false, nil
			}
			object, ok := event.Object.(T)
			switch {
			case event.Type == watch.Error || !ok:
				if err := apierrors.FromObject(event.Object); !expired(err) {
					return false, fmt.Errorf("watch the %s: %w", o.Kind, errors.Join(errWatchEnded, err))
				}
				return false, nil
			case event.Type == watch.Added || event.Type == watch.Modified:
				saw(object)
			}
		}
	}
}
