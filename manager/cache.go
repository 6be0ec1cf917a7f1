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

// add remembers a handler that was added, or removes it if the term is over.
func (c *termCache) add(informer cache.Informer, handle toolscache.ResourceEventHandlerRegistration, err error) (toolscache.ResourceEventHandlerRegistration, error) {
	if err != nil {
		return nil, err
	}
	r := registration{informer, handle}
	c.mu.Lock()
	released := c.released
	if !released {
		c.added = append(c.added, r)
	}
	c.mu.Unlock()
	if released {
		r.remove()
		return nil, fmt.Errorf("event handler: the term is over: %w", ErrStopped)
	}
	return handle, nil
}

// release removes all handlers and waits until none of them runs.
func (c *termCache) release() {
	c.mu.Lock()
	added := c.added
	c.added, c.released = nil, true
	c.mu.Unlock()
	for _, r := range added {
		r.remove()
	}
}

func (r registration) remove() {
	if r.informer.IsStopped() {
		return
	}
	// For a cache of several namespaces controller-runtime has a goroutine wait
	// for this, which would wait for ever if the handler went first.
	r.awaitSynced(time.Second)
	if err := r.informer.RemoveEventHandler(r.handle); err != nil {
		return // stopped meanwhile
	}
	if s, ok := r.handle.(interface{ ShutdownChan() <-chan struct{} }); ok {
		<-s.ShutdownChan()
	}
}

// awaitSynced waits until the handler has been given all there is, which takes
// a moment if the informer has it.
func (r registration) awaitSynced(atMost time.Duration) {
	if !r.informer.HasSynced() {
		return
	}
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-r.handle.HasSyncedChecker().Done():
	case <-timer.C:
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
	// This is how sources add theirs, and they look only every 100 ms whether it
	// has synced. To wait for that here makes their first look the last one.
	registration{i.Informer, handle}.awaitSynced(100 * time.Millisecond)
	return handle, nil
}

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
