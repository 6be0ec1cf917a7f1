// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// A stream is one open watch. Writers append to its queue and never wait. Its only goroutine, pump, hands the queue to
// the reader.
type stream struct {
	client *Client
	want   selection
	after  uint64 // changes up to this revision are left out
	timing timing // used by the pump alone
	result chan watch.Event
	kick   chan struct{} // holds a token when the pump has something to look at
	done   chan struct{} // closed by Stop
	stop   func()

	mu      sync.Mutex // guards the fields below; taken with the server's mu held, never the other way round
	queue   []item
	stalled bool
}

// item is one event on its way to the reader.
type item struct {
	at     time.Time // when the server sent it
	kind   watch.EventType
	object object         // as stored; copied when delivered
	as     string         // if not "", the resourceVersion to show instead of the object's own
	status *metav1.Status // instead of an object, for errors
	last   bool           // the watch ends with it; without a kind there is no event, only the end
}

func newStream(c *Client, want selection) *stream {
	w := &stream{
		client: c, want: want,
		result: make(chan watch.Event, 1), kick: make(chan struct{}, 1), done: make(chan struct{}),
	}
	w.stop = sync.OnceFunc(func() {
		close(w.done)
		w.wake()
	})
	return w
}

func (w *stream) ResultChan() <-chan watch.Event { return w.result }

// Stop ends the watch. The result channel is closed soon after. More calls do nothing.
func (w *stream) Stop() { w.stop() }

// offer queues the change if the watch is about it. An object that begins or ceases to match the selection is added or
// deleted in this watch's eyes. The server is locked, so events come in the order of the writes.
func (w *stream) offer(done change) {
	if done.revision <= w.after || done.kind != w.want.kind {
		return
	}
	was, is := w.want.includes(done.old), w.want.includes(done.new)
	switch {
	case is && was:
		w.push(item{kind: watch.Modified, object: done.new})
	case is:
		w.push(item{kind: watch.Added, object: done.new})
	case was:
		w.push(item{kind: watch.Deleted, object: done.old, as: version(done.revision)})
	}
}

func (w *stream) push(next item) {
	next.at = time.Now()
	w.mu.Lock()
	if !w.stalled {
		w.queue = append(w.queue, next)
	}
	w.mu.Unlock()
	w.wake()
}

func (w *stream) fail(err *apierrors.StatusError) {
	w.push(item{kind: watch.Error, status: &err.ErrStatus, last: true})
}

func (w *stream) expire() {
	w.fail(apierrors.NewResourceExpired("the watch has been expired by the test"))
}

func (w *stream) stall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stalled, w.queue = true, nil
}

func (w *stream) wake() {
	select {
	case w.kick <- struct{}{}:
	default: // a token is there already
	}
}

// pump hands events to the reader until the watch ends.
func (w *stream) pump(ctx context.Context) {
	defer close(w.result)
	defer w.detach()
	defer context.AfterFunc(ctx, w.wake)()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		// This comes first, since a select takes any case that is ready. Once it has ended, a watch delivers nothing more.
		select {
		case <-w.done:
			return
		default:
		}
		if ctx.Err() != nil {
			w.sayCancelled(ctx)
			return
		}
		now := time.Now()
		w.tick(now)
		next, ready, due := w.take(now)
		if ready {
			if w.deliver(ctx, next); next.last {
				return
			}
			continue
		}
		if due = earliest(due, w.timing.nextBookmark, w.timing.end); due.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(due.Sub(now))
		}
		select {
		case <-w.kick: // by both ends, too
		case <-timer.C:
		}
	}
}

// tick queues the bookmark and the end that are due. Both take the way of the events, so a reader cut off from the
// server does not hear of them.
func (w *stream) tick(now time.Time) {
	if next := w.timing.nextBookmark; !next.IsZero() && !now.Before(next) {
		w.client.server.bookmark(w)
		w.timing.scheduleBookmark(now)
	}
	if end := w.timing.end; !end.IsZero() && !now.Before(end) {
		w.push(item{last: true})
		w.timing = timing{}
	}
}

// take removes and returns the next event if it is ready for the reader. Otherwise it returns when it will be ready, or
// the zero time if only a wake-up can tell.
func (w *stream) take(now time.Time) (next item, ready bool, due time.Time) {
	open, delay := w.client.watching()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !open || w.stalled || len(w.queue) == 0 {
		return item{}, false, time.Time{}
	}
	next = w.queue[0]
	if due = next.at.Add(delay); due.After(now) {
		return item{}, false, due
	}
	w.queue[0] = item{} // let go of the object
	w.queue = w.queue[1:]
	return next, true, due
}

// deliver waits until the reader takes the event or the watch ends.
func (w *stream) deliver(ctx context.Context, next item) {
	if next.kind == "" {
		return
	}
	event := next.event()
	select {
	case w.result <- event:
		return
	default: // the reader is busy
	}
	select {
	case w.result <- event:
	case <-w.done:
	case <-ctx.Done():
	}
}

func (i item) event() watch.Event {
	if i.status != nil {
		return watch.Event{Type: i.kind, Object: i.status}
	}
	copied := i.object.DeepCopyObject()
	if o, ok := copied.(object); ok && i.as != "" {
		o.SetResourceVersion(i.as)
	}
	return watch.Event{Type: i.kind, Object: copied}
}

// sayCancelled leaves the error event with which a real clientset ends a watch whose context was cancelled. A watch
// whose deadline passed just closes.
func (w *stream) sayCancelled(ctx context.Context) {
	if !errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	select {
	case w.result <- watch.Event{Type: watch.Error, Object: &metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError,
		Message: "unable to decode an event from the watch stream: context canceled",
	}}:
	default: // an event nobody has read is in the way
	}
}

// detach takes the ended watch off the server and the client.
func (w *stream) detach() {
	is := func(other *stream) bool { return other == w }
	server := w.client.server
	server.mu.Lock()
	server.streams = slices.DeleteFunc(server.streams, is)
	server.mu.Unlock()
	w.client.mu.Lock()
	w.client.streams = slices.DeleteFunc(w.client.streams, is)
	w.client.mu.Unlock()
}

func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
