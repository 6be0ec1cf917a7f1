// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// listeners are the event handlers of a Gate's controllers. They are registered with their informers only while the
// Gate listens: when this replica leads, and in a pause. A handler that is registered is given all objects that the
// informer has, which is how a new leader hears of what there is. A standby would only collect requests for objects
// that are gone by the time it leads.
//
// With shards the Gate always listens. What the handlers hear matters only for the shards that this replica has, and
// for each that it gets they replay: see [listeners.replay].
type listeners struct {
	log        *slog.Logger
	accepts    func(shard) bool // whether this replica has a shard; nil without shards
	filter     filterer         // filtered, but in tests
	background sync.WaitGroup   // removes handlers, and replays
	stopped    chan struct{}    // closed when nobody needs a replay any more

	mu        sync.Mutex // guards all below
	listening bool
	all       []*listener
}

// listener is one event handler. It is what its source knows as the registration.
type listener struct {
	// The informer. It adds HasSyncedChecker, whose type client-go has only since 0.36: it tells when the informer has
	// synced.
	toolscache.ResourceEventHandlerRegistration

	informer cache.Informer
	handler  toolscache.ResourceEventHandler
	options  toolscache.HandlerOptions
	whole    toolscache.ResourceEventHandler // the handler before it was filtered, with shards

	mu        sync.Mutex                                  // guards all below; taken after that of listeners
	handle    toolscache.ResourceEventHandlerRegistration // nil while not registered
	wanted    map[shard]bool                              // to be replayed
	replaying bool
}

var _ toolscache.ResourceEventHandlerRegistration = (*listener)(nil)

func newListeners(log *slog.Logger) *listeners {
	return &listeners{log: log, filter: filtered, stopped: make(chan struct{})}
}

func (l *listeners) add(informer cache.Informer, h toolscache.ResourceEventHandler, o toolscache.HandlerOptions) (*listener, error) {
	added := &listener{ResourceEventHandlerRegistration: informer, informer: informer, handler: h, options: o}
	l.divide(added)
	l.mu.Lock()
	if l.listening {
		if err := added.register(); err != nil {
			l.mu.Unlock()
			return nil, err
		}
	}
	l.all = append(l.all, added)
	l.mu.Unlock()
	// Sources look only every 100 ms whether their handler has synced. Waiting here makes their first look the last one.
	if handle := added.registration(); handle != nil {
		awaitSynced(informer, handle, 100*time.Millisecond)
	}
	return added, nil
}

func (l *listeners) remove(gone *listener) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = slices.DeleteFunc(l.all, func(other *listener) bool { return other == gone })
	l.unregisterLocked(gone)
	return nil
}

// listen registers the handlers. If they have missed events, or replay says that they may have, each is given all
// objects.
func (l *listeners) listen(replay bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listening && !replay {
		return
	}
	l.listening = true
	l.all = slices.DeleteFunc(l.all, func(old *listener) bool { return old.informer.IsStopped() })
	for _, each := range l.all {
		l.unregisterLocked(each)
		if err := each.register(); err != nil {
			l.log.Error("cannot register an event handler again: its informer has stopped", "err", err)
		}
	}
}

// deafen removes the handlers, in the background.
func (l *listeners) deafen() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listening = false
	for _, each := range l.all {
		l.unregisterLocked(each)
	}
}

// stop removes the handlers and waits until none of them runs.
func (l *listeners) stop() {
	close(l.stopped)
	l.deafen()
	l.background.Wait()
}

func (l *listeners) unregisterLocked(each *listener) {
	each.mu.Lock()
	handle := each.handle
	each.handle = nil
	each.mu.Unlock()
	if handle != nil {
		l.background.Go(func() { unregister(each.informer, handle) })
	}
}

func unregister(informer cache.Informer, handle toolscache.ResourceEventHandlerRegistration) {
	if informer.IsStopped() {
		return
	}
	// In the cache of several namespaces a goroutine waits for this, and would wait for ever if the handler went first.
	awaitSynced(informer, handle, time.Second)
	if err := informer.RemoveEventHandler(handle); err != nil {
		return // stopped meanwhile
	}
	if s, ok := handle.(interface{ ShutdownChan() <-chan struct{} }); ok {
		await(s.ShutdownChan(), time.Second) // a handler that hangs keeps nobody waiting
	}
}

func await(done <-chan struct{}, atMost time.Duration) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// awaitSynced waits until the handler has been given what the informer has, which takes a moment.
func awaitSynced(informer cache.Informer, handle toolscache.ResourceEventHandlerRegistration, atMost time.Duration) {
	if !informer.HasSynced() {
		return
	}
	for end := time.Now().Add(atMost); !handle.HasSynced() && time.Now().Before(end); {
		<-time.After(time.Millisecond) // client-go has something to wait for only since 0.36
	}
}

func (l *listener) register() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	handle, err := l.informer.AddEventHandlerWithOptions(l.handler, l.options)
	if err != nil {
		return err
	}
	l.handle = handle
	return nil
}

func (l *listener) registration() toolscache.ResourceEventHandlerRegistration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.handle
}

// HasSynced reports whether the handler has been given what there was. Before this replica leads there is nothing to
// give it, and it is whether the informer has synced.
func (l *listener) HasSynced() bool {
	if handle := l.registration(); handle != nil {
		return handle.HasSynced()
	}
	return l.informer.HasSynced()
}
