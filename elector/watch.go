// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
)

const (
	// firstBackoff is the pause after the first watch that ended early; it
	// doubles up to RetryPeriod.
	firstBackoff = 20 * time.Millisecond
	// watchTimeout is the shortest time the API server is asked to keep a watch
	// open, up to twice as long by chance: client-go's reflectors ask for five
	// minutes, but one object can be watched for longer.
	watchTimeout = 30 * time.Minute
)

var (
	errWatchSilent = errors.New("the watch no longer delivers what is known to have happened")
	errWatchEnded  = errors.New("the API server ended the watch")
)

// watcher keeps one watch on the one Lease and shows what it delivers to the
// view. While it cannot watch it reads, at RetryPeriod at the latest.
type watcher struct {
	leases *leaseClient
	retry  time.Duration
	// restarted is told of every watch but the first, and of why the one before
	// ended: nil if the API server ended it in good order.
	restarted func(error)

	mu        sync.Mutex              // guards all below
	cancel    context.CancelCauseFunc // of the open watch; nil while there is none
	began     moment                  // when it was opened
	delivered string                  // the newest version the open watch has delivered
	awaited   string                  // a version of ours that it must deliver
	since     moment                  // since when that is awaited
}

func newWatcher(e *Elector) *watcher {
	return &watcher{
		leases:    e.leases,
		retry:     e.config.RetryPeriod,
		restarted: e.watchRestarted,
	}
}

// run watches until ctx ends.
func (w *watcher) run(ctx context.Context) {
	version, pause := w.first(ctx), time.Duration(0)
	for {
		began := now()
		var err error
		version, err = w.watch(ctx, version)
		if now().mono-began.mono > w.retry {
			pause = 0
		}
		sleep(ctx, jitter(pause))
		if ctx.Err() != nil {
			return
		}
		pause = min(max(2*pause, firstBackoff), w.retry)
		w.restarted(err)
	}
}

// first reads the Lease and returns the version to watch from, "" if unknown.
// A watch that follows a read has its connection; later ones, which may come
// after the version has expired, are better read beside.
func (w *watcher) first(ctx context.Context) string {
	if _, err := w.leases.read(ctx); err != nil {
		return "" // the watch fares no better, and tells
	}
	obs, _ := w.leases.view.get()
	if obs.lease == nil {
		return ""
	}
	return obs.lease.ResourceVersion
}

// watch opens one watch, from version or, if that is "", from what is now, and
// follows it to its end. It returns the version to go on from, "" if unknown.
func (w *watcher) watch(parent context.Context, version string) (string, error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	stream, err := w.open(ctx, cancel, version)
	switch {
	case expired(err):
		return "", nil
	case err != nil:
		_, readErr := w.leases.read(parent)
		return "", errors.Join(err, readErr)
	}
	defer stream.Stop()
	if version == "" {
		// A watch from now on delivers the Lease there is, but not that there
		// is none. Reading after it was opened, nothing falls in between.
		if _, err := w.leases.read(ctx); err != nil {
			return "", err
		}
	}
	w.opened(cancel, version)
	defer w.opened(nil, "")
	return w.follow(ctx, stream, version)
}

func (w *watcher) opened(cancel context.CancelCauseFunc, version string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel, w.began, w.delivered, w.awaited = cancel, now(), version, ""
}

// open waits for the API server to accept the watch no longer than for any
// other request.
func (w *watcher) open(ctx context.Context, cancel context.CancelCauseFunc, version string) (watch.Interface, error) {
	timer := time.AfterFunc(w.leases.attempt, func() {
		cancel(errors.New("the API server did not accept the watch in time"))
	})
	defer timer.Stop()
	seconds := int64((watchTimeout + rand.N(watchTimeout)).Seconds()) //nolint:gosec // not a secret
	start := func(ctx context.Context) (watch.Interface, error) {
		return w.leases.client.Watch(ctx, metav1.ListOptions{
			FieldSelector:       fields.OneTermEqualSelector(metav1.ObjectNameField, w.leases.name).String(),
			ResourceVersion:     version,
			AllowWatchBookmarks: true,
			TimeoutSeconds:      ptr.To(seconds),
		})
	}
	stream, err := ask(ctx, w.leases.requests, "watch", start, func(late watch.Interface, _ bool) { late.Stop() })
	if err != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	return stream, nil
}

func (w *watcher) follow(ctx context.Context, stream watch.Interface, version string) (string, error) {
	for {
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case event, open := <-stream.ResultChan():
			if !open {
				return version, nil
			}
			lease, ok := event.Object.(*coordinationv1.Lease)
			if event.Type == watch.Error || !ok {
				if err := apierrors.FromObject(event.Object); !expired(err) {
					return "", errors.Join(errWatchEnded, err)
				}
				return "", nil
			}
			version = lease.ResourceVersion
			w.deliver(event.Type, lease)
		}
	}
}

// expired says that the API server has forgotten the version to go on from, as
// it does after some minutes: that is in good order.
func expired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

func (w *watcher) deliver(kind watch.EventType, lease *coordinationv1.Lease) {
	w.mu.Lock()
	w.delivered = lease.ResourceVersion
	lasts := now().mono-w.began.mono > w.retry
	w.mu.Unlock()
	if lasts { // or it may be one that ends at once, again and again
		w.leases.heard(cannotWatch, nil)
	}
	version := lease.ResourceVersion
	switch kind {
	case watch.Bookmark:
		return
	case watch.Deleted:
		lease = nil
	}
	if w.leases.view.saw(lease, version) {
		w.leases.sighted()
	}
}

// wrote tells the watcher of an acknowledged write. A watch that has not
// delivered it after half a RetryPeriod has died silently, and is replaced.
func (w *watcher) wrote(version string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	order, err := resourceversion.CompareResourceVersion(w.delivered, w.awaited)
	switch {
	case w.cancel == nil:
	case w.awaited == "" || err == nil && order >= 0:
		w.awaited, w.since = version, now()
	case now().mono-w.since.mono > w.retry/2:
		w.cancel(errWatchSilent)
	}
}

// distrust has the open watch replaced: a read has shown what it did not.
func (w *watcher) distrust() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancel != nil {
		w.cancel(errWatchSilent)
	}
}
