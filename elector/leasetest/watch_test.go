// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
)

func TestAPartitionedWatchIsSilentUntilHealed(t *testing.T) {
	inBubble(t, func(b bubble) {
		w := b.watch(metav1.ListOptions{TimeoutSeconds: ptr.To(int64(60))})
		b.client.Partition()
		b.edit("me")
		b.edit("you")
		time.Sleep(time.Hour) // its timeout as well is something the server cannot tell
		b.silent(w)
		b.client.Heal()
		b.says(w, watch.Modified, "me")
		b.says(w, watch.Modified, "you")
		b.closed(w)
	})
}

func TestAPartitionedWatchEndsWithItsContextAndWithStop(t *testing.T) {
	inBubble(t, func(b bubble) {
		ctx, cancel := context.WithTimeout(b.Context(), time.Second)
		defer cancel()
		w, err := b.leases.Watch(ctx, metav1.ListOptions{ResourceVersion: "2"})
		if err != nil {
			b.Fatal(err)
		}
		other := b.watch(metav1.ListOptions{})
		b.client.Partition()
		time.Sleep(time.Second)
		b.closed(w)
		b.silent(other)
		other.Stop()
		b.closed(other)
	})
}

func TestAStalledWatchStaysSilentForGood(t *testing.T) {
	inBubble(t, func(b bubble) {
		w := b.watch(metav1.ListOptions{TimeoutSeconds: ptr.To(int64(60)), AllowWatchBookmarks: true})
		b.client.StallWatches()
		b.edit("me")
		b.client.Heal()
		time.Sleep(24 * time.Hour)
		b.silent(w)
		later := b.watch(metav1.ListOptions{})
		b.edit("you")
		b.says(later, watch.Modified, "you")
		b.silent(w)
		if n := b.client.Watches(); n != 2 {
			b.Errorf("%d watches are open, want both", n)
		}
		b.client.CutWatches()
		b.closed(w)
	})
}

func TestACutWatchClosesAndLosesWhatWasUnderWay(t *testing.T) {
	inBubble(t, func(b bubble) {
		w := b.watch(metav1.ListOptions{})
		b.client.Partition()
		b.edit("me")
		b.client.CutWatches()
		b.client.Heal()
		b.closed(w)
		if n := b.client.Watches(); n != 0 {
			b.Errorf("%d watches are open, want none", n)
		}
	})
}

func TestAnExpiredWatchEndsWith410(t *testing.T) {
	inBubble(t, func(b bubble) {
		w := b.watch(metav1.ListOptions{})
		b.edit("me")
		b.client.ExpireWatches()
		b.edit("you")
		b.says(w, watch.Modified, "me")
		b.expired(w)
	})
}

func TestAWatchFromAForgottenVersionIsExpired(t *testing.T) {
	inBubble(t, func(b bubble) {
		first := b.server.Get("ns", "a").ResourceVersion
		b.server.LimitHistory(2)
		b.edit("1")
		b.edit("2")
		w := b.watch(metav1.ListOptions{ResourceVersion: first})
		b.says(w, watch.Modified, "1")
		second := b.server.Get("ns", "a").ResourceVersion
		b.edit("3")
		b.expired(b.watch(metav1.ListOptions{ResourceVersion: first}))
		b.says(b.watch(metav1.ListOptions{ResourceVersion: second}), watch.Modified, "3")
		b.server.Compact()
		b.expired(b.watch(metav1.ListOptions{ResourceVersion: second}))
		newest := b.watch(metav1.ListOptions{})
		b.edit("4")
		b.says(newest, watch.Modified, "4")
		b.says(w, watch.Modified, "2") // an open watch still delivers what it has queued
	})
}

func (b bubble) expired(w watch.Interface) {
	b.Helper()
	synctest.Wait()
	if event := <-w.ResultChan(); event.Type != watch.Error || !apierrors.IsResourceExpired(apierrors.FromObject(event.Object)) {
		b.Errorf("got %+v, want 410 Expired", event)
	}
	b.closed(w)
}

func TestADelayedWatchKeepsTheOrder(t *testing.T) {
	inBubble(t, func(b bubble) {
		w := b.watch(metav1.ListOptions{})
		b.client.DelayWatches(3 * time.Second)
		b.edit("1")
		time.Sleep(time.Second)
		b.edit("2")
		time.Sleep(2*time.Second - 1)
		b.silent(w)
		time.Sleep(1)
		b.says(w, watch.Modified, "1")
		b.silent(w)
		b.client.DelayWatches(0)
		b.says(w, watch.Modified, "2")
	})
}

func TestBookmarksComePeriodicallyAndBeforeTheEnd(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.server.BookmarkEvery(10 * time.Second)
		w := b.watch(metav1.ListOptions{AllowWatchBookmarks: true, TimeoutSeconds: ptr.To(int64(25))})
		without := b.watch(metav1.ListOptions{TimeoutSeconds: ptr.To(int64(25))})
		newest := b.server.Put(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "b"}})
		var at []time.Duration
		for event := range w.ResultChan() {
			if lease := event.Object.(*coordinationv1.Lease); event.Type != watch.Bookmark || lease.ResourceVersion != newest.ResourceVersion {
				b.Errorf("got %+v, want a bookmark at %s", event, newest.ResourceVersion)
			}
			at = append(at, time.Since(b.start))
		}
		if got := fmt.Sprint(at); got != "[10s 20s 23s]" {
			b.Errorf("bookmarks came at %s, want [10s 20s 23s]", got)
		}
		b.wantElapsed(25 * time.Second)
		b.closed(without)
	})
}

func TestAWatchWithoutATimeoutEndsAtTheServers(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.server.WatchTimeout(time.Minute)
		ends := map[time.Duration]bool{}
		for range 10 {
			w, begun := b.watch(metav1.ListOptions{}), time.Now()
			for range w.ResultChan() {
			}
			took := time.Since(begun)
			if took < time.Minute || took > 2*time.Minute {
				b.Errorf("ended after %v, want from one minute to two", took)
			}
			ends[took] = true
		}
		if len(ends) != 10 {
			b.Errorf("ten watches ended after %v, want ten different times", ends)
		}
		b.server.WatchTimeout(0)
		w := b.watch(metav1.ListOptions{})
		time.Sleep(1000 * time.Hour)
		b.silent(w)
	})
}

func TestAReaderWhoSleepsHoldsUpNobodyAndMissesNothing(t *testing.T) {
	inBubble(t, func(b bubble) {
		const writes = 10_000
		slow, quick := b.watch(metav1.ListOptions{}), b.watch(metav1.ListOptions{})
		for i := range writes {
			b.edit(fmt.Sprint(i))
			b.says(quick, watch.Modified, fmt.Sprint(i))
		}
		b.wantElapsed(0)
		for i := range writes {
			b.says(slow, watch.Modified, fmt.Sprint(i))
		}
	})
}

func TestAWatchNobodyReadsEndsAllTheSame(t *testing.T) {
	inBubble(t, func(b bubble) {
		ctx, cancel := context.WithCancel(b.Context())
		w, err := b.leases.Watch(ctx, metav1.ListOptions{ResourceVersion: "2"})
		if err != nil {
			b.Fatal(err)
		}
		stopped := b.watch(metav1.ListOptions{})
		for i := range 3 {
			b.edit(fmt.Sprint(i))
		}
		synctest.Wait() // the first event is in the channel, the pumps hold the second
		stopped.Stop()
		cancel()
		synctest.Wait()
		if n := b.client.Watches(); n != 0 {
			b.Errorf("%d watches are open, want none", n)
		}
		b.says(w, watch.Modified, "0")
		b.closed(w)
	})
}

func TestACancelledWatchSaysSoAsClientGoDoes(t *testing.T) {
	inBubble(t, func(b bubble) {
		ctx, cancel := context.WithCancel(b.Context())
		w, err := b.leases.Watch(ctx, metav1.ListOptions{ResourceVersion: "2"})
		if err != nil {
			b.Fatal(err)
		}
		cancel()
		synctest.Wait()
		if event := <-w.ResultChan(); event.Type != watch.Error || !apierrors.IsInternalError(apierrors.FromObject(event.Object)) {
			b.Errorf("got %+v, want an internal error", event)
		}
		b.closed(w)
	})
}

func TestAWatchOfAllNamespacesSeesAllAndOneOfOneSeesOne(t *testing.T) {
	inBubble(t, func(b bubble) {
		w, err := b.client.CoordinationV1().Leases("").Watch(b.Context(), metav1.ListOptions{ResourceVersion: "2"})
		if err != nil {
			b.Fatal(err)
		}
		defer w.Stop()
		one := b.watch(metav1.ListOptions{})
		lease := held("me")
		lease.Namespace = "another"
		b.server.Put(lease)
		b.says(w, watch.Added, "me")
		b.silent(one)
		b.edit("you")
		b.says(w, watch.Modified, "you")
		b.says(one, watch.Modified, "you")
	})
}

func TestADelayedWatchOfACallerWhoGaveUpIsNotOpened(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.Latency(time.Minute, 0)
		ctx, cancel := context.WithTimeout(b.Context(), time.Second)
		defer cancel()
		if _, err := b.leases.Watch(ctx, metav1.ListOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("got %v, want DeadlineExceeded", err)
		}
		time.Sleep(time.Hour)
		if n := b.client.Watches(); n != 0 {
			b.Errorf("%d watches are open, want none", n)
		}
	})
}

func TestAWatchWhoseReplyIsLostEndsWithItsCaller(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.DropReplies()
		ctx, cancel := context.WithTimeout(b.Context(), time.Second)
		defer cancel()
		if _, err := b.leases.Watch(ctx, metav1.ListOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("got %v, want DeadlineExceeded", err)
		}
		synctest.Wait()
		if n := b.client.Watches(); n != 0 {
			b.Errorf("%d watches are open, want none", n)
		}
	})
}
