// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

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
	"k8s.io/apimachinery/pkg/watch"

	"github.com/kube-elector/elector/elector/internal/wait"
)

// watchTimeout is the shortest time the API server is asked to keep a watch open, up to twice as long by chance:
// client-go's reflectors ask for five minutes, but one object can be watched for longer.
const watchTimeout = 30 * time.Minute

var (
	errWatchSilent = errors.New("the watch no longer delivers what is known to have happened")
	errWatchEnded  = errors.New("the API server ended the watch")
)

// A Watcher keeps one watch on the one Lease open, at the pace that the API server allows, and shows what it delivers
// to the view. It does not read: a standby does while it cannot trust the watch, and a leader learns everything from
// its renewals.
type Watcher struct {
	client    *Client
	begin     chan struct{} // closed when the standby has looked at the Lease for the first time
	allowed   sync.Once     // closes begin
	slow      time.Duration
	leading   func() bool
	pace      Pace          // of Run
	hurry     chan struct{} // holds one: the next watch may come early
	restarted func(error)

	trust
}

func newWatcher(client *Client, c Config) *Watcher {
	return &Watcher{
		client:    client,
		begin:     make(chan struct{}),
		slow:      c.Slow,
		leading:   c.Leading,
		pace:      Pace{First: FirstPause, Factor: 2, Forget: c.Slow},
		hurry:     make(chan struct{}, 1),
		restarted: c.WatchRestarted,
		trust:     newTrust(c.RetryPeriod),
	}
}

// Allow lets the first watch begin.
func (w *Watcher) Allow() { w.allowed.Do(func() { close(w.begin) }) }

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	select {
	case <-w.begin: // the connection is there, and the version to watch from is known
	case <-ctx.Done():
		return
	}
	for version := w.Newest(); ; {
		began := Now()
		var err error
		version, err = w.watch(ctx, version)
		w.pace.Ended(began, w.limit(), RetryAfter(err))
		w.wait(ctx)
		if ctx.Err() != nil {
			return
		}
		w.restarted(err)
	}
}

// limit returns the longest pause between two watches. A leader, whose renewals tell it most, makes fewer than two a
// minute.
func (w *Watcher) limit() time.Duration {
	if w.leading() {
		return w.slow * 11 / 10
	}
	return w.slow
}

// Newest returns the version of the Lease as last seen, "" if there is none.
func (w *Watcher) Newest() string {
	obs, _ := w.client.View.Get()
	return obs.Version()
}

// wait waits until the next watch may be opened.
func (w *Watcher) wait(ctx context.Context) {
	select {
	case <-w.hurry: // meant for a wait before this one
	default:
	}
	for {
		left := w.pace.In(Now())
		if left == 0 || ctx.Err() != nil {
			return
		}
		if wait.Any(ctx, left, w.hurry, nil) && left <= w.limit() {
			return
		}
	}
}

// Hurry makes the next watch come early, because the API server answers again. The watch after that comes later for it.
func (w *Watcher) Hurry() {
	select {
	case w.hurry <- struct{}{}:
	default:
	}
}

// watch opens one watch, from version or, if that is "", from what is now, and follows it to its end. It returns the
// version to go on from, "" if unknown.
func (w *Watcher) watch(parent context.Context, version string) (string, error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	stream, err := w.open(ctx, cancel, version)
	switch {
	case expired(err) && version != "":
		return "", nil
	case err != nil:
		return "", err
	}
	defer stream.Stop()
	w.pace.Worked(Now())
	w.opened(cancel, version)
	defer w.closed()
	return w.follow(ctx, stream, version)
}

// open waits for the API server to accept the watch no longer than for any other request.
func (w *Watcher) open(ctx context.Context, cancel context.CancelCauseFunc, version string) (watch.Interface, error) {
	return w.client.OpenWatch(ctx, cancel, "watch", named(w.client.name, version), w.client.leases.Watch)
}

// named selects the object of that name, from version on.
func named(name, version string) metav1.ListOptions {
	return metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, name).String(), ResourceVersion: version,
	}
}

// OpenWatch opens a watch of what options select, by a request of a kind that is called what. ctx is the watch's, and
// is cancelled if there is no answer in time.
func (a *Asker) OpenWatch(ctx context.Context, cancel context.CancelCauseFunc, what string, options metav1.ListOptions,
	open func(context.Context, metav1.ListOptions) (watch.Interface, error)) (watch.Interface, error) {
	timer := time.AfterFunc(a.attempt, func() { cancel(a.late) })
	defer timer.Stop()
	seconds := int64((watchTimeout + rand.N(watchTimeout)).Seconds()) //nolint:gosec // not a secret
	options.AllowWatchBookmarks, options.TimeoutSeconds = true, &seconds
	call := new(call)
	start := func(ctx context.Context) (watch.Interface, error) { return open(ctx, options) }
	stream, err := ask(call.in(ctx), a.requests, what, start, func(late watch.Interface, _ bool) { late.Stop() })
	if err != nil {
		if err = call.failure(ctx, err); !errors.Is(err, context.Cause(ctx)) {
			err = errors.Join(err, context.Cause(ctx))
		}
		return nil, err
	}
	return stream, nil
}

func (w *Watcher) follow(ctx context.Context, stream watch.Interface, version string) (string, error) {
	for {
		select {
		case <-ctx.Done():
			return w.Newest(), context.Cause(ctx)
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

// expired says that the API server has forgotten the version to go on from, as it does after some minutes: that is in
// good order.
func expired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

func (w *Watcher) deliver(kind watch.EventType, lease *coordinationv1.Lease) {
	version := lease.ResourceVersion
	if w.received(version, kind == watch.Bookmark) > w.quiet { // or it may be one that ends at once, again and again
		w.client.heard(Watch, nil)
	}
	switch kind {
	case watch.Bookmark:
		return
	case watch.Deleted:
		lease = nil
	}
	if w.client.View.Saw(lease, version) {
		w.client.sighted()
	}
}
