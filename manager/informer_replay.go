// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"time"

	toolscache "k8s.io/client-go/tools/cache"
)

// filterer is the type of filtered.
type filterer = func(toolscache.ResourceEventHandler, func(shard) bool) (toolscache.ResourceEventHandler, bool)

// divide makes a handler pass on only what concerns the shards that this replica has. Requests of other shards that
// come of its events are dropped, and not kept: nobody would hear of it when their objects are deleted.
func (l *listeners) divide(added *listener) {
	if l.accepts == nil {
		return
	}
	added.whole = added.handler
	h, ok := l.filter(added.handler, l.accepts)
	if !ok {
		l.log.Warn("the requests of an event handler cannot be told apart: each shard that is acquired repeats those of all others that this replica holds")
		return
	}
	added.handler = h
}

// replay makes all handlers hear of all objects again, as far as that concerns the shard, which this replica has just
// got. It does not wait for that. Shards that come while a handler is busy with others have their turn together.
func (l *listeners) replay(s shard) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, each := range l.all {
		if each.want(s) {
			l.background.Go(func() { each.replay(l) })
		}
	}
}

// want reports whether a replay must be started.
func (l *listener) want(s shard) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wanted == nil {
		l.wanted = map[shard]bool{}
	}
	l.wanted[s] = true
	first := !l.replaying
	l.replaying = true
	return first
}

// next returns the shards to be replayed, or nil if there are none.
func (l *listener) next() map[shard]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	wanted := l.wanted
	l.wanted = nil
	l.replaying = wanted != nil
	return wanted
}

// replay replays until nothing is wanted any more. For a while the informer has a second handler, which is told of all
// objects when it is added.
func (l *listener) replay(all *listeners) {
	for wanted := l.next(); wanted != nil; wanted = l.next() {
		h, _ := all.filter(l.whole, func(s shard) bool { return wanted[s] && all.accepts(s) })
		handle, err := l.informer.AddEventHandlerWithOptions(h, toolscache.HandlerOptions{Logger: l.options.Logger})
		if err != nil {
			all.log.Debug("cannot replay: the informer has stopped", "err", err)
			continue
		}
		l.awaitReplayed(handle, all.stopped)
		unregister(l.informer, handle)
	}
}

// awaitReplayed waits until the handler has been told of all objects, however long that takes. An informer that cannot
// list its objects holds up nobody else.
func (l *listener) awaitReplayed(handle toolscache.ResourceEventHandlerRegistration, stopped <-chan struct{}) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !handle.HasSynced() && !l.informer.IsStopped() {
		select {
		case <-stopped:
			return
		case <-ticker.C:
		}
	}
}
