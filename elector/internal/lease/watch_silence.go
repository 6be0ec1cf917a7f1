// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// trust is whether the watch can be relied on. A watch that died silently, or whose events a proxy holds back, looks
// like one that has nothing to tell. What shows the difference is something that is known to have happened: an
// acknowledged write, or news that a read brought. A watch that does not deliver it in time is replaced, and the next
// one must deliver something before it is trusted.
type trust struct {
	grace time.Duration // in which the watch must deliver what is known
	quiet time.Duration // an open watch that tells nothing for so long may be dead

	mu        sync.Mutex              // guards all below
	cancel    context.CancelCauseFunc // of the open watch; nil while there is none
	doubted   bool                    // the last watch was silent, and this one has delivered nothing
	blind     bool                    // a watch from now on does not deliver that there is no Lease
	delivered string                  // the newest version the open watch has delivered
	began     Moment                  // when it was opened
	last      Moment                  // when it last delivered anything, or was opened
	since     Moment                  // when the watch was last open and trusted
	awaited   *time.Timer             // ends the watch, unless what is awaited comes; nil if nothing is
	version   string                  // what is awaited, "" for anything
	turned    chan struct{}           // closed when the watch becomes trusted, or no longer is
}

func newTrust(retryPeriod time.Duration) trust {
	m := Now()
	return trust{
		grace: retryPeriod / 2, quiet: retryPeriod * 3 / 2,
		last: m, since: m, turned: make(chan struct{}),
	}
}

// A WatchState is what a standby knows of the watch.
type WatchState struct {
	Trusted bool
	Blind   bool            // the watch is open, but must be followed by a read
	Last    Moment          // when the watch last delivered anything, or was opened
	Since   Moment          // when the watch was last trusted, if it no longer is
	Turned  <-chan struct{} // closed when Trusted or Blind changes
}

// State returns what is known of the watch.
func (t *trust) State() WatchState {
	t.mu.Lock()
	defer t.mu.Unlock()
	return WatchState{Trusted: t.trustedLocked(), Blind: t.blind, Last: t.last, Since: t.since, Turned: t.turned}
}

func (t *trust) trustedLocked() bool { return t.cancel != nil && !t.doubted }

func (t *trust) turnLocked() {
	close(t.turned)
	t.turned = make(chan struct{})
}

// opened takes in that a watch is open that begins after version, or with the present state if that is "". cancel ends
// it.
func (t *trust) opened(cancel context.CancelCauseFunc, version string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := Now()
	t.cancel, t.blind, t.delivered, t.began, t.last = cancel, version == "", version, m, m
	t.turnLocked()
}

// closed takes in that the watch has ended.
func (t *trust) closed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.trustedLocked() {
		t.since = Now()
	}
	t.cancel, t.blind = nil, false
	t.settledLocked()
	t.turnLocked()
}

// received takes in that the watch has delivered a version, with the Lease or as a bookmark. It returns how long the
// watch has been open.
func (t *trust) received(version string, bookmark bool) (age time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.delivered, t.last = version, Now()
	// Versions that cannot be compared are taken for new ones.
	if order, err := resourceversion.CompareResourceVersion(version, t.version); err != nil || order >= 0 {
		t.settledLocked()
	}
	if blind := t.blind && bookmark; t.doubted || t.blind != blind {
		t.doubted, t.blind = false, blind
		t.turnLocked()
	}
	return t.last.Mono - t.began.Mono
}

// Followed takes in that a read has followed the opening of the watch that was open at state.
func (t *trust) Followed(state WatchState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if state.Turned == t.turned {
		t.blind = false
	}
}

// Expect tells that the watch must deliver a version, or anything if that is "". If it does not in time it is replaced.
func (t *trust) Expect(version string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cancel == nil || t.awaited != nil {
		return
	}
	if order, err := resourceversion.CompareResourceVersion(t.delivered, version); err == nil && order >= 0 || t.delivered == version {
		return
	}
	cancel := t.cancel
	t.version = version
	var timer *time.Timer
	timer = time.AfterFunc(t.grace, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.awaited == timer {
			t.doubtLocked(cancel)
		}
	})
	t.awaited = timer
}

func (t *trust) doubtLocked(cancel context.CancelCauseFunc) {
	if t.trustedLocked() {
		t.since = Now()
	}
	t.doubted = true
	t.settledLocked()
	t.turnLocked()
	cancel(errWatchSilent)
}

func (t *trust) settledLocked() {
	if t.awaited != nil {
		t.awaited.Stop()
		t.awaited = nil
	}
}

// silent reports whether a watch is open that has told nothing for a while. It may be idle or dead: a request had
// better not share its connection.
func (t *trust) silent() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cancel != nil && Now().Mono-t.last.Mono >= t.quiet
}
