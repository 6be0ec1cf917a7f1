// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/kube-elector/elector/test/chaos/event"
)

// A journal collects events in the order in which the harness hears of them. Its methods may be called concurrently.
type journal struct {
	mu      sync.Mutex // guards all below
	events  []event.Event
	changed chan struct{}   // closed at the next event
	leading []event.Process // those that lead, by their own reports; the latest last
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

// Note adds an event, as of now if it has no time.
func (j *journal) Note(e event.Event) {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
	switch e.Kind {
	case event.Leads:
		j.leading = append(j.leading, e.Process())
	case event.Told, event.Exited:
		j.leading = slices.DeleteFunc(j.leading, func(p event.Process) bool { return p == e.Process() })
	}
	close(j.changed)
	j.changed = make(chan struct{})
}

// leaders returns the processes that lead, by their own reports, with the latest last.
func (j *journal) leaders() []event.Process {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.leading)
}

// Mark returns where the journal ends now.
func (j *journal) Mark() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.events)
}

// Since returns the events after the mark.
func (j *journal) Since(mark int) []event.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events[mark:])
}

func (j *journal) await(ctx context.Context, mark int, timeout time.Duration, wanted func(event.Event) bool) (event.Event, bool) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		j.mu.Lock()
		events, changed := j.events[mark:], j.changed
		j.mu.Unlock()
		if i := slices.IndexFunc(events, wanted); i >= 0 {
			return events[i], true
		}
		mark += len(events)
		select {
		case <-changed:
		case <-timer.C:
			return event.Event{}, false
		case <-ctx.Done():
			return event.Event{}, false
		}
	}
}
