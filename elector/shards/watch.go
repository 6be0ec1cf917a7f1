// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/internal/wait"
)

// firstBackoff is the pause after the first list or watch that failed; it doubles up to two RetryPeriods.
const firstBackoff = 20 * time.Millisecond

var (
	errSilent = errors.New("the watch no longer delivers what is known to have happened")
	errEnded  = errors.New("the API server ended the watch")
	errAgain  = errors.New("the set is listed again")
)

// watcher keeps one watch on all Leases of the set, by their label, and shows what it delivers to the view. It lists
// them at first, and when it cannot go on from the version it knows.
type watcher struct {
	client  *client
	retry   time.Duration
	longest time.Duration            // the pause while nothing is permitted
	renewed func(time.Duration) bool // whether the session was renewed in this time
	failed  func(what string, err error)
	worked  func()
	again   chan struct{}             // holds one: the set must be listed again
	lost    atomic.Pointer[time.Time] // since when nothing has worked, nil while something does
}

func newWatcher(s *Shards) *watcher {
	return &watcher{
		client: s.client, retry: s.config.RetryPeriod, longest: s.config.LeaseDuration,
		renewed: s.renewed, failed: s.troubled, worked: s.recovered, again: make(chan struct{}, 1),
	}
}

// run watches until ctx ends.
func (w *watcher) run(ctx context.Context) {
	version, pause := "", time.Duration(0)
	for ctx.Err() == nil {
		began, limit := time.Now(), 2*w.retry
		var err error
		if version == "" {
			version, err = w.list(ctx)
			if apierrors.IsForbidden(err) {
				limit = w.longest
			}
		}
		if err == nil {
			version, err = w.watch(ctx, version)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, errAgain) {
			now := time.Now()
			w.lost.CompareAndSwap(nil, &now)
			w.failed("cannot watch the set's Leases", err)
		}
		if time.Since(began) > w.retry {
			pause = 0
		}
		wait.Sleep(ctx, max(jitter(pause), lease.RetryAfter(err)))
		pause = min(max(2*pause, firstBackoff), limit)
	}
}

// blind reports whether neither a list nor a watch has worked for some time.
func (w *watcher) blind() bool {
	lost := w.lost.Load()
	return lost != nil && time.Since(*lost) > 4*w.retry
}

// list reads all Leases of the set and returns the version to watch from.
func (w *watcher) list(ctx context.Context) (string, error) {
	select {
	case <-w.again: // this is it
	default:
	}
	mark, sent := w.client.view.mark(), time.Now()
	list, err := lease.Ask(ctx, w.client.asker, "list", func(ctx context.Context) (*coordinationv1.LeaseList, error) {
		return w.client.leases.List(ctx, metav1.ListOptions{LabelSelector: w.selector()})
	})
	if err != nil {
		return "", err
	}
	w.lost.Store(nil)
	w.client.view.sawList(list.Items, list.ResourceVersion, sent, mark)
	return list.ResourceVersion, nil
}

// listAgain makes the watcher list the set. It does not wait for that.
func (w *watcher) listAgain() {
	select {
	case w.again <- struct{}{}:
	default:
	}
}

func (w *watcher) selector() string {
	return labels.Set{SetLabel: w.client.names.label()}.String()
}

// watch opens one watch and follows it to its end. It returns the version to go on from, "" if a list is needed.
func (w *watcher) watch(parent context.Context, version string) (string, error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	options := metav1.ListOptions{LabelSelector: w.selector(), ResourceVersion: version}
	stream, err := w.client.asker.OpenWatch(ctx, cancel, "watch", options, w.client.leases.Watch)
	switch {
	case expired(err):
		return "", nil
	case err != nil:
		return "", err
	}
	defer stream.Stop()
	w.lost.Store(nil)
	w.worked()
	return w.follow(ctx, stream, version)
}

// follow delivers events. A watch that does not deliver the renewals of this replica's session has died silently, or is
// held up.
func (w *watcher) follow(ctx context.Context, stream watch.Interface, version string) (string, error) {
	ticker := time.NewTicker(w.retry)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-w.again:
			return "", errAgain
		case <-ticker.C:
			at, _ := w.client.view.lastSighted()
			if time.Since(at) > 2*w.retry && w.renewed(w.retry*3/2) {
				return "", errSilent
			}
		case event, open := <-stream.ResultChan():
			if !open {
				return version, nil
			}
			seen, ok := event.Object.(*coordinationv1.Lease)
			if event.Type == watch.Error || !ok {
				if err := apierrors.FromObject(event.Object); !expired(err) {
					return "", errors.Join(errEnded, err)
				}
				return "", nil
			}
			version = seen.ResourceVersion
			w.deliver(event.Type, seen)
		}
	}
}

func (w *watcher) deliver(kind watch.EventType, seen *coordinationv1.Lease) {
	v := w.client.view
	switch kind {
	case watch.Bookmark:
	case watch.Deleted:
		v.saw(seen.Name, nil, seen.ResourceVersion)
	default:
		v.saw(seen.Name, seen, seen.ResourceVersion)
		if seen.Name == v.self {
			v.heard(seen)
		}
	}
}

// expired reports whether the API server has forgotten the version to go on from, as it does after some minutes.
func expired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

// jitter keeps replicas that lost the API server together from coming back together.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + rand.N(d) //nolint:gosec // not a secret
}
