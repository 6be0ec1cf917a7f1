// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// listenersKey is the context key of the listeners of gated controllers. A source asks its cache for an informer in its
// controller's context, which tells a gated controller's handler from all others.
type listenersKey struct{}

// gatedCache is a cache whose informers leave the event handlers of gated controllers to the [listeners] of their Gate.
// All else, handlers of other controllers included, is the cache's own.
type gatedCache struct{ cache.Cache }

// GetInformer returns the cache's informer, to a gated controller's source one that replays.
func (c *gatedCache) GetInformer(ctx context.Context, obj client.Object, opts ...cache.InformerGetOption) (cache.Informer, error) {
	informer, err := c.Cache.GetInformer(ctx, obj, opts...)
	return replaying(ctx, informer), err
}

// GetInformerForKind returns the cache's informer, to a gated controller's source one that replays.
func (c *gatedCache) GetInformerForKind(ctx context.Context, gvk schema.GroupVersionKind, opts ...cache.InformerGetOption) (cache.Informer, error) {
	informer, err := c.Cache.GetInformerForKind(ctx, gvk, opts...)
	return replaying(ctx, informer), err
}

func replaying(ctx context.Context, informer cache.Informer) cache.Informer {
	if l, ok := ctx.Value(listenersKey{}).(*listeners); ok && informer != nil {
		return &replayingInformer{informer, l}
	}
	return informer
}

// replayingInformer is an informer whose handlers listen only while their Gate does.
type replayingInformer struct {
	cache.Informer
	listeners *listeners
}

func (i *replayingInformer) AddEventHandler(h toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandlerWithOptions(h, toolscache.HandlerOptions{})
}

func (i *replayingInformer) AddEventHandlerWithResyncPeriod(h toolscache.ResourceEventHandler, resync time.Duration) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandlerWithOptions(h, toolscache.HandlerOptions{ResyncPeriod: &resync})
}

func (i *replayingInformer) AddEventHandlerWithOptions(h toolscache.ResourceEventHandler, o toolscache.HandlerOptions) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.listeners.add(i.Informer, h, o)
}

func (i *replayingInformer) RemoveEventHandler(handle toolscache.ResourceEventHandlerRegistration) error {
	if l, ok := handle.(*listener); ok {
		return i.listeners.remove(l)
	}
	return i.Informer.RemoveEventHandler(handle)
}
