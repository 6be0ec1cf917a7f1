// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// watch opens a watch as kube-apiserver's watch cache does. Its pump goroutine ends with ctx, Stop, a cut or the
// watch's timeout, whichever comes first.
func (c *Client) watch(ctx context.Context, want selection, opts metav1.ListOptions) (watch.Interface, error) {
	from, err := parseVersion(opts.ResourceVersion)
	if err != nil {
		return nil, err
	}
	full := internalversion.ListOptions{
		Watch: true, ResourceVersion: opts.ResourceVersion, ResourceVersionMatch: opts.ResourceVersionMatch,
		SendInitialEvents: opts.SendInitialEvents, AllowWatchBookmarks: opts.AllowWatchBookmarks, Continue: opts.Continue,
	}
	internalversion.SetListOptionsDefaults(&full, true) // from "" and "0" the present state comes first
	if errs := validation.ValidateListOptions(&full, true); len(errs) > 0 {
		return nil, apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "ListOptions"}, "", errs)
	}
	stateFirst := full.SendInitialEvents != nil && *full.SendInitialEvents

	w := newStream(c, want)
	c.server.mu.Lock()
	c.server.startLocked(w, from, stateFirst, opts)
	c.server.mu.Unlock()
	c.mu.Lock()
	c.streams = append(c.streams, w)
	c.mu.Unlock()
	go w.pump(ctx)
	return w, nil
}

// startLocked queues what the watch begins with and has it offered all later changes.
func (s *Server) startLocked(w *stream, from uint64, stateFirst bool, opts metav1.ListOptions) {
	s.opened++
	w.timing = s.timingLocked(time.Now(), opts)
	switch {
	case stateFirst && from > s.revision:
		w.fail(apierrors.NewTimeoutError(
			fmt.Sprintf("Too large resource version: %d, current: %d", from, s.revision), 1))
		return
	case stateFirst:
		for _, o := range s.listLocked(w.want) {
			w.push(item{kind: watch.Added, object: o})
		}
		if opts.AllowWatchBookmarks {
			w.push(item{kind: watch.Bookmark, object: w.want.bookmark(s.revision, map[string]string{
				metav1.InitialEventsAnnotationKey: "true",
			})})
		}
	case from == 0: // from now on
	case from < s.forgotten:
		w.fail(apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d (%d)", from, s.forgotten)))
		return
	default:
		w.after = from
		for _, done := range s.history {
			w.offer(done)
		}
	}
	s.streams = append(s.streams, w)
}

// bookmark queues a bookmark in its place among the changes, so that it never runs ahead of one.
func (s *Server) bookmark(w *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.push(item{kind: watch.Bookmark, object: w.want.bookmark(s.revision, nil)})
}

// bookmark returns a bookmark as an object of the selection's kind.
func (s selection) bookmark(revision uint64, annotations map[string]string) object {
	meta := metav1.ObjectMeta{ResourceVersion: version(revision), Annotations: annotations}
	if s.kind == podKind {
		return &corev1.Pod{ObjectMeta: meta}
	}
	return &coordinationv1.Lease{ObjectMeta: meta}
}

// timing says when a watch gets bookmarks and when the server ends it. A zero time is never.
type timing struct {
	every        time.Duration
	nextBookmark time.Time
	end          time.Time
}

// timingLocked follows kube-apiserver, which sends a bookmark at intervals and one shortly before the end.
func (s *Server) timingLocked(now time.Time, opts metav1.ListOptions) timing {
	var t timing
	if opts.TimeoutSeconds != nil && *opts.TimeoutSeconds > 0 {
		t.end = now.Add(time.Duration(*opts.TimeoutSeconds) * time.Second)
	} else if s.watchTimeout > 0 {
		// 37 and 100 have no common divisor, so a hundred watches opened in a row end at a hundred times.
		t.end = now.Add(s.watchTimeout + s.watchTimeout*time.Duration(s.opened*37%100)/100)
	}
	if opts.AllowWatchBookmarks {
		t.every = s.bookmarkEvery
		t.scheduleBookmark(now)
	}
	return t
}

func (t *timing) scheduleBookmark(now time.Time) {
	t.nextBookmark = time.Time{}
	if t.every > 0 {
		t.nextBookmark = now.Add(t.every)
	}
	last := t.end.Add(-2 * time.Second)
	if !t.end.IsZero() && last.After(now) && (t.nextBookmark.IsZero() || last.Before(t.nextBookmark)) {
		t.nextBookmark = last
	}
}
