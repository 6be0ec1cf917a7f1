// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// termCache is the parent's cache with a memory: the event handlers added to
// its informers are removed at the end of the term. controller-runtime's
// sources never do that, as their controllers live as long as the process.
type termCache struct {
	cache.Cache // the parent's
	indexes     *indexes

	mu       sync.Mutex // guards all below
	added    []registration
	released bool
}

type registration struct {
	informer cache.Informer
	handle   toolscache.ResourceEventHandlerRegistration
}

// Start is refused: the parent's cache is running.
func (c *termCache) Start(context.Context) error {
	return errors.New("the cache of a term is not to be started: it is the Manager's")
}

// GetInformer returns the parent's informer, remembering handlers.
func (c *termCache) GetInformer(ctx context.Context, obj client.Object, opts ...cache.InformerGetOption) (cache.Informer, error) {
	informer, err := c.Cache.GetInformer(ctx, obj, opts...)
	if err != nil {
		return nil, err
	}
	return &termInformer{Informer: informer, cache: c}, nil
}

// GetInformerForKind returns the parent's informer, remembering handlers.
func (c *termCache) GetInformerForKind(ctx context.Context, gvk schema.GroupVersionKind, opts ...cache.InformerGetOption) (cache.Informer, error) {
	informer, err := c.Cache.GetInformerForKind(ctx, gvk, opts...)
	if err != nil {
		return nil, err
	}
	return &termInformer{Informer: informer, cache: c}, nil
}

// IndexField adds the index in the first term. It stays, with that term's
// function: an informer's index cannot be removed.
func (c *termCache) IndexField(ctx context.Context, obj client.Object, field string, f client.IndexerFunc) error {
	return c.indexes.IndexField(ctx, obj, field, f)
}

// add registers a handler and remembers it. The term's end does not wait for
// the registration, but undoes it.
func (c *termCache) add(informer cache.Informer, handle toolscache.ResourceEventHandlerRegistration, err error) (toolscache.ResourceEventHandlerRegistration, error) {
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.released {
		return nil, errors.Join(fmt.Errorf("event handler: the term is over: %w", ErrStopped), informer.RemoveEventHandler(handle))
	}
	c.added = append(c.added, registration{informer, handle})
	return handle, nil
}

// release removes all handlers and waits until none of them runs.
func (c *termCache) release() {
	c.mu.Lock()
	added := c.added
	c.added, c.released = nil, true
	c.mu.Unlock()
	for _, r := range added {
		if r.informer.IsStopped() {
			continue
		}
		if err := r.informer.RemoveEventHandler(r.handle); err != nil {
			continue // stopped meanwhile
		}
		if s, ok := r.handle.(interface{ ShutdownChan() <-chan struct{} }); ok {
			<-s.ShutdownChan()
		}
	}
}

// termInformer is an informer whose handlers the term's cache remembers.
type termInformer struct {
	cache.Informer
	cache *termCache
}

func (i *termInformer) AddEventHandler(h toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	handle, err := i.Informer.AddEventHandler(h)
	return i.cache.add(i.Informer, handle, err)
}

func (i *termInformer) AddEventHandlerWithResyncPeriod(h toolscache.ResourceEventHandler, resync time.Duration) (toolscache.ResourceEventHandlerRegistration, error) {
	handle, err := i.Informer.AddEventHandlerWithResyncPeriod(h, resync)
	return i.cache.add(i.Informer, handle, err)
}

func (i *termInformer) AddEventHandlerWithOptions(h toolscache.ResourceEventHandler, o toolscache.HandlerOptions) (toolscache.ResourceEventHandlerRegistration, error) {
	handle, err := i.Informer.AddEventHandlerWithOptions(h, o)
	if handle, err = i.cache.add(i.Informer, handle, err); err != nil {
		return nil, err
	}
	if i.HasSynced() {
		// This is how sources add theirs, and they look only every 100 ms whether
		// it has been given all there is. In a warm cache that takes a moment; to
		// wait for it here makes their first look the last one.
		select {
		case <-handle.HasSyncedChecker().Done():
		case <-time.After(sourcesPoll):
		}
	}
	return handle, nil
}

// sourcesPoll is client-go's period for looking whether a handler has synced.
const sourcesPoll = 100 * time.Millisecond

// indexes adds each field index once, though every term's set-up asks for it.
type indexes struct {
	client.FieldIndexer
	scheme *runtime.Scheme

	mu    sync.Mutex // guards known
	known map[index]bool
}

type index struct{ object, kind, field string }

func (i *indexes) IndexField(ctx context.Context, obj client.Object, field string, f client.IndexerFunc) error {
	gvk, err := apiutil.GVKForObject(obj, i.scheme)
	if err != nil {
		return err
	}
	// The type too: typed, unstructured and metadata objects have a cache each.
	key := index{fmt.Sprintf("%T", obj), gvk.String(), field}
	i.mu.Lock()
	known := i.known[key]
	i.mu.Unlock()
	if known {
		return nil
	}
	if err := i.FieldIndexer.IndexField(ctx, obj, field, f); err != nil {
		return err
	}
	i.mu.Lock()
	i.known[key] = true
	i.mu.Unlock()
	return nil
}
