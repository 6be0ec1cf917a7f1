// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
)

const onlyA = "metadata.name=a"

func watching() []Test {
	return []Test{
		claim("AWatchFromNowhereBeginsWithTheState", func(a api) {
			for _, from := range []string{"", "0"} {
				first := a.create(held("a", "me"))
				w := a.watch(metav1.ListOptions{FieldSelector: onlyA, ResourceVersion: from})
				w.expect(watch.Added, first.ResourceVersion)
				second := a.update(by(first, "you"))
				w.expect(watch.Modified, second.ResourceVersion)
				a.delete("a")
				w.expect(watch.Deleted, "")
			}
		}),
		claim("AWatchOfAMissingLeaseWaitsForIt", func(a api) {
			w := a.watch(metav1.ListOptions{FieldSelector: onlyA})
			a.create(named("b"))
			w.expect(watch.Added, a.create(named("a")).ResourceVersion)
		}),
		claim("AWatchFromAVersionBeginsAfterIt", func(a api) {
			first := a.create(held("a", "me"))
			a.create(named("b"))
			second := a.update(by(first, "you"))
			third := a.update(by(second, "him"))
			w := a.watch(metav1.ListOptions{FieldSelector: onlyA, ResourceVersion: first.ResourceVersion})
			w.expect(watch.Modified, second.ResourceVersion)
			w.expect(watch.Modified, third.ResourceVersion)
			w = a.watch(metav1.ListOptions{FieldSelector: onlyA, ResourceVersion: third.ResourceVersion})
			w.expect(watch.Modified, a.update(by(third, "her")).ResourceVersion)
		}),
		claim("AWatchFromAVersionSeesTheDeletionAfterIt", func(a api) {
			first := a.create(held("a", "me"))
			a.delete("a")
			second := a.create(held("a", "you"))
			w := a.watch(metav1.ListOptions{FieldSelector: onlyA, ResourceVersion: first.ResourceVersion})
			gone := w.expect(watch.Deleted, "")
			a.newer(first, gone)
			a.newer(gone, second)
			if gone.UID != first.UID || holder(gone) != "me" {
				a.Errorf("deleted %+v, want the last state of %+v", gone, first)
			}
			if got := w.expect(watch.Added, second.ResourceVersion); got.UID != second.UID {
				a.Errorf("added UID %s, want %s", got.UID, second.UID)
			}
		}),
		claim("AWatchFromTheFutureWaitsForIt", func(a api) {
			lease := a.create(held("a", "me"))
			a.newer(lease, a.create(held("b", "me"))) // a version that exists, seen from later
			future := fmt.Sprint(a.version(lease) + 1_000_000)
			w := a.watch(metav1.ListOptions{FieldSelector: onlyA, ResourceVersion: future, TimeoutSeconds: ptr.To(int64(2))})
			a.update(by(lease, "you"))
			w.closes()
		}),
		claim("AWatchSkipsWritesThatChangeNothing", func(a api) {
			lease := a.create(held("a", "me"))
			w := a.watch(metav1.ListOptions{FieldSelector: onlyA, ResourceVersion: lease.ResourceVersion})
			a.update(lease)
			w.expect(watch.Modified, a.update(by(lease, "you")).ResourceVersion)
		}),
		claim("EventsComeInOrderAndAllOfThem", func(a api) {
			lease := a.create(held("a", "me"))
			w := a.watch(metav1.ListOptions{FieldSelector: onlyA, ResourceVersion: lease.ResourceVersion})
			var want []string
			for i := range 50 { // nobody reads meanwhile
				lease = a.update(by(lease, fmt.Sprint(i)))
				want = append(want, lease.ResourceVersion)
			}
			for _, version := range want {
				w.expect(watch.Modified, version)
			}
		}),
		claim("AWatchByLabelSeesLeasesComeAndGo", func(a api) {
			w := a.watch(metav1.ListOptions{LabelSelector: "in=yes"})
			lease := a.create(held("a", "me"))
			lease.Labels = map[string]string{"in": "yes"}
			lease = a.update(lease)
			w.expect(watch.Added, lease.ResourceVersion)
			lease.Labels = nil
			lease = a.update(lease)
			if gone := w.expect(watch.Deleted, lease.ResourceVersion); gone.Labels["in"] != "yes" {
				a.Errorf("deleted with labels %v, want those from before", gone.Labels)
			}
		}),
		claim("TheStateEndsWithABookmark", func(a api) {
			lease := a.create(named("a"))
			w := a.watch(metav1.ListOptions{FieldSelector: onlyA, AllowWatchBookmarks: true})
			w.expect(watch.Added, lease.ResourceVersion)
			mark := w.expect(watch.Bookmark, "")
			if a.version(mark) < a.version(lease) || mark.Annotations[metav1.InitialEventsAnnotationKey] != "true" {
				a.Errorf("bookmark %+v, want %s or later and annotation %s",
					mark.ObjectMeta, lease.ResourceVersion, metav1.InitialEventsAnnotationKey)
			}
		}),
		claim("ABookmarkComesBeforeTheTimeout", func(a api) {
			lease := a.create(named("a"))
			other := a.create(named("b"))
			w := a.watch(metav1.ListOptions{
				FieldSelector: onlyA, ResourceVersion: lease.ResourceVersion,
				AllowWatchBookmarks: true, TimeoutSeconds: ptr.To(int64(5)),
			})
			mark := w.expect(watch.Bookmark, "")
			for open := true; open; mark, open = w.another(watch.Bookmark) { // the server is free to send more
				if a.version(mark) < a.version(other) || mark.Name != "" || len(mark.Annotations) != 0 {
					a.Errorf("bookmark %+v, want nothing but version %s or later", mark.ObjectMeta, other.ResourceVersion)
				}
			}
		}),
		claim("AWatchFromAVersionCanLeaveOutTheState", func(a api) {
			lease := a.create(named("a"))
			w := a.watch(metav1.ListOptions{
				SendInitialEvents: ptr.To(false), ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
			})
			w.expect(watch.Modified, a.update(by(lease, "me")).ResourceVersion)
		}),
		claim("AWatchEndsAtItsTimeout", func(a api) {
			begun := time.Now()
			a.watch(metav1.ListOptions{TimeoutSeconds: ptr.To(int64(1))}).closes()
			if took := time.Since(begun); took < 900*time.Millisecond {
				a.Errorf("closed after %v, want 1 s", took)
			}
		}),
		claim("AWatchEndsWhenStopped", func(a api) {
			w := a.watch(metav1.ListOptions{})
			w.Stop()
			w.Stop()
			w.endsForItsClient()
		}),
		claim("AWatchEndsWithItsContext", func(a api) {
			ctx, cancel := context.WithCancel(a.ctx)
			b := a
			b.ctx = ctx
			w := b.watch(metav1.ListOptions{})
			cancel()
			w.endsForItsClient()
		}),
		claim("AWatchThatCannotBeIsRefused", func(a api) {
			for _, opts := range []metav1.ListOptions{
				{ResourceVersion: "no number"},
				{FieldSelector: "spec.holderIdentity=me"},
				{SendInitialEvents: ptr.To(true)},
				{ResourceVersionMatch: metav1.ResourceVersionMatchExact, ResourceVersion: "1"},
			} {
				if w, err := a.Watch(a.ctx, opts); err == nil {
					w.Stop()
					a.Errorf("%+v was accepted", opts)
				}
			}
		}),
	}
}

type watched struct {
	watch.Interface
	a api
}

// watch opens a watch that ends with the test.
func (a api) watch(opts metav1.ListOptions) watched {
	a.Helper()
	w, err := a.Watch(a.ctx, opts)
	if err != nil {
		a.Fatalf("watching %+v: %v", opts, err)
	}
	a.Cleanup(w.Stop)
	return watched{w, a}
}

// expect waits for the next event and checks its type and, if not "", its resourceVersion.
func (w watched) expect(kind watch.EventType, version string) *coordinationv1.Lease {
	w.a.Helper()
	lease, open := w.another(kind)
	if !open {
		w.a.Fatalf("the watch is closed, want %s of version %q", kind, version)
	}
	if version != "" && lease.ResourceVersion != version {
		w.a.Fatalf("got %s of version %s, want version %s", kind, lease.ResourceVersion, version)
	}
	return lease
}

// another waits for the next event, which must be of the kind, or for the end.
func (w watched) another(kind watch.EventType) (lease *coordinationv1.Lease, open bool) {
	w.a.Helper()
	select {
	case event, open := <-w.ResultChan():
		if !open {
			return nil, false
		}
		lease, isLease := event.Object.(*coordinationv1.Lease)
		if !isLease || event.Type != kind {
			w.a.Fatalf("got event %+v, want %s", event, kind)
		}
		if lease.Kind != "" {
			w.a.Errorf("the Lease in the event has kind %q, want none", lease.Kind)
		}
		return lease, true
	case <-w.a.ctx.Done():
		w.a.Fatalf("no event, want %s", kind)
		return nil, false
	}
}

// closes checks that the server ends the watch without another event.
func (w watched) closes() {
	w.a.Helper()
	w.another("no event but the end")
}

// endsForItsClient checks that the watch ends as it does when its client stops it. The channel is closed, and an error
// event may come before, which client-go makes when it reads from what it has just closed.
func (w watched) endsForItsClient() {
	w.a.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case event, open := <-w.ResultChan():
			if !open {
				return
			}
			if event.Type != watch.Error || !apierrors.IsInternalError(apierrors.FromObject(event.Object)) {
				w.a.Errorf("got %+v, want at most an internal error", event)
			}
		case <-late.C:
			w.a.Error("the watch is still open")
			return
		}
	}
}
