// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// WriteTime is how long a term must still be certain for a fenced client to send a write: more than a healthy API
// server takes for one. A term that is being renewed never comes near it, as long as RenewDeadline-RetryPeriod is well
// above.
const WriteTime = 250 * time.Millisecond

// Leadership is what a fence asks: an *elector.Elector, for which any of its terms will do, or one elector.Term.
type Leadership interface {
	// Remaining is how long leadership is still certain.
	Remaining() time.Duration
}

// Fenced returns a client whose writes, to objects and subresources, are sent only while they are covered by a term:
// WriteTime of it must remain. Which term: the one the request's context descends from, as that of Reconcile does in a
// gated controller; and lead, unless it is nil. With neither, nothing is written. Otherwise the write fails with
// ErrNotLeading. If its context's own term is over for good, the error is a reconcile.TerminalError too, so that a
// controller does not try again.
//
// A write is cut off when the term's remaining time has passed. It may then have been done or not, as after any
// timeout; the error is ErrNotLeading and context.DeadlineExceeded.
//
// Reads are not fenced. The fence is this side's alone: a process that is stopped between the check and the sending
// still writes when it continues. That is what package fencing is for. A write that one of its policies refuses fails
// with fencing.ErrRefused, and is counted; in a term that is over, the error is a reconcile.TerminalError too. As the
// policy fencing.Holder hears of a new leader a little late, a write that it refuses is tried again for up to 3s, while
// the term covers it.
func Fenced(c client.Client, lead Leadership, options ...FenceOption) client.Client {
	f := &fence{lead: lead, c: c}
	for _, option := range options {
		if option != nil {
			option(f)
		}
	}
	return &fencedClient{Reader: c, c: c, fence: f}
}

// fencedClient does not embed the client: a method added to client.Client must not pass by the fence.
type fencedClient struct {
	client.Reader
	c     client.Client
	fence *fence
}

func (f *fencedClient) Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error {
	return f.fence.object(ctx, obj, obj, func(ctx context.Context) error { return f.c.Create(ctx, obj, opts...) })
}

func (f *fencedClient) Update(ctx context.Context, obj client.Object, opts ...client.UpdateOption) error {
	return f.fence.object(ctx, obj, obj, func(ctx context.Context) error { return f.c.Update(ctx, obj, opts...) })
}

func (f *fencedClient) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
	var o client.PatchOptions
	o.ApplyOptions(opts)
	return f.fence.patch(ctx, obj, patch, len(o.DryRun) > 0, func(ctx context.Context, patch client.Patch, force bool) error {
		if force {
			return f.c.Patch(ctx, obj, patch, append(slices.Clip(opts), client.ForceOwnership)...)
		}
		return f.c.Patch(ctx, obj, patch, opts...)
	})
}

func (f *fencedClient) Apply(ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	var o client.ApplyOptions
	o.ApplyOptions(opts)
	return f.fence.configuration(ctx, obj, obj, len(o.DryRun) > 0, func(ctx context.Context, force bool) error {
		if force {
			return f.c.Apply(ctx, obj, append(slices.Clip(opts), client.ForceOwnership)...)
		}
		return f.c.Apply(ctx, obj, opts...)
	})
}

func (f *fencedClient) Delete(ctx context.Context, obj client.Object, opts ...client.DeleteOption) error {
	return f.fence.write(ctx, func(ctx context.Context) error { return f.c.Delete(ctx, obj, opts...) })
}

func (f *fencedClient) DeleteAllOf(ctx context.Context, obj client.Object, opts ...client.DeleteAllOfOption) error {
	return f.fence.write(ctx, func(ctx context.Context) error { return f.c.DeleteAllOf(ctx, obj, opts...) })
}

func (f *fencedClient) Status() client.SubResourceWriter { return f.SubResource("status") }

func (f *fencedClient) SubResource(name string) client.SubResourceClient {
	c := f.c.SubResource(name)
	return &fencedSubResource{SubResourceReader: c, c: c, fence: f.fence.of(name)}
}

func (f *fencedClient) Scheme() *runtime.Scheme     { return f.c.Scheme() }
func (f *fencedClient) RESTMapper() meta.RESTMapper { return f.c.RESTMapper() }

func (f *fencedClient) GroupVersionKindFor(obj runtime.Object) (schema.GroupVersionKind, error) {
	return f.c.GroupVersionKindFor(obj)
}

func (f *fencedClient) IsObjectNamespaced(obj runtime.Object) (bool, error) {
	return f.c.IsObjectNamespaced(obj)
}

// fencedSubResource fences a subresource's writes.
type fencedSubResource struct {
	client.SubResourceReader
	c     client.SubResourceWriter
	fence *fence
}

func (f *fencedSubResource) Create(ctx context.Context, obj, sub client.Object, opts ...client.SubResourceCreateOption) error {
	return f.fence.write(ctx, func(ctx context.Context) error { return f.c.Create(ctx, obj, sub, opts...) })
}

func (f *fencedSubResource) Update(ctx context.Context, obj client.Object, opts ...client.SubResourceUpdateOption) error {
	var o client.SubResourceUpdateOptions
	o.ApplyOptions(opts)
	body := obj
	if o.SubResourceBody != nil {
		body = o.SubResourceBody
	}
	return f.fence.object(ctx, obj, body, func(ctx context.Context) error { return f.c.Update(ctx, obj, opts...) })
}

func (f *fencedSubResource) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	var o client.SubResourcePatchOptions
	o.ApplyOptions(opts)
	return f.fence.patch(ctx, obj, patch, len(o.DryRun) > 0, func(ctx context.Context, patch client.Patch, force bool) error {
		if force {
			return f.c.Patch(ctx, obj, patch, append(slices.Clip(opts), client.ForceOwnership)...)
		}
		return f.c.Patch(ctx, obj, patch, opts...)
	})
}

func (f *fencedSubResource) Apply(ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
	var o client.SubResourceApplyOptions
	o.ApplyOpts(opts)
	body := obj
	if o.SubResourceBody != nil {
		body = o.SubResourceBody
	}
	return f.fence.configuration(ctx, obj, body, len(o.DryRun) > 0, func(ctx context.Context, force bool) error {
		if force {
			return f.c.Apply(ctx, obj, append(slices.Clip(opts), client.ForceOwnership)...)
		}
		return f.c.Apply(ctx, obj, opts...)
	})
}
