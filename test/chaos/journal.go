// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// journal collects what happens, in the order in which the harness hears of it. Its methods may be called concurrently.
type journal struct {
	mu      sync.Mutex // guards all below
	events  []occurrence
	changed chan struct{} // closed at the next event
	leading []process     // those that lead, by what they say; the latest last
}

// process is one of a replica.
type process struct {
	replica string
	number  int
}

func (p process) String() string { return processName(p.replica, p.number) }

func processName(replica string, number int) string { return fmt.Sprintf("%s#%d", replica, number) }

func parseProcess(name string) process {
	replica, number, _ := strings.Cut(name, "#")
	n, _ := strconv.Atoi(number) // The name is one of processName's.
	return process{replica, n}
}

func (e occurrence) process() process { return process{e.Replica, e.Process} }

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

func (j *journal) note(e occurrence) {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
	switch e.Kind {
	case leads:
		j.leading = append(j.leading, e.process())
	case told, exited:
		j.leading = slices.DeleteFunc(j.leading, func(p process) bool { return p == e.process() })
	}
	close(j.changed)
	j.changed = make(chan struct{})
}

// leaders are the processes that lead, by what they have said; the latest last.
func (j *journal) leaders() []process {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.leading)
}

// mark is where the journal ends now.
func (j *journal) mark() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.events)
}

// since is what has been noted after the mark.
func (j *journal) since(mark int) []occurrence {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events[mark:])
}

// await returns the first event after the mark that is as it should be, at the latest when the time is over; false then.
func (j *journal) await(ctx context.Context, mark int, timeout time.Duration, is func(occurrence) bool) (occurrence, bool) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		j.mu.Lock()
		events, changed := j.events[mark:], j.changed
		j.mu.Unlock()
		for _, e := range events {
			if is(e) {
				return e, true
			}
		}
		mark += len(events)
		select {
		case <-changed:
		case <-timer.C:
			return occurrence{}, false
		case <-ctx.Done():
			return occurrence{}, false
		}
	}
}

// ofKind is an event of one of the kinds.
func ofKind(kinds ...kind) func(occurrence) bool {
	return func(e occurrence) bool { return slices.Contains(kinds, e.Kind) }
}
