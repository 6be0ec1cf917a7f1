// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package event has the events of a scenario, as replicas report them and the harness sees them. Package stage turns
// them into a history that can be judged.
package event

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kube-elector/elector/test/history"
)

// Kind says what happened.
type Kind string

// What replicas report of themselves.
const (
	Ready      Kind = "ready"      // the API server has answered a first request about the Lease
	Leads      Kind = "leads"      // the leader's work begins
	Told       Kind = "told"       // the leader's work finds its context ended; the detail is the cause
	Returns    Kind = "returns"    // the leader's work returns
	Stopped    Kind = "stopped"    // OnStoppedLeading was called
	Believes   Kind = "believes"   // it believes itself the leader, though its work has been told to stop
	Woke       Kind = "woke"       // it has not run for a while; the detail says whether it believes itself the leader
	Cannot     Kind = "cannot"     // the term's own client refused a write
	Reconciles Kind = "reconciles" // a reconcile begins; the detail is its key
	Reconciled Kind = "reconciled" // a reconcile of a sharded operator returns; the detail is its key
	Acquires   Kind = "acquires"   // it gets a shard; the detail is its number
	Loses      Kind = "loses"      // it no longer serves a shard; the detail is its number
	Wrote      Kind = "wrote"      // a write to the API server has succeeded
	Stopping   Kind = "stopping"   // it was asked to end
	Done       Kind = "done"       // the manager, or the elector, has returned; the detail is its error
	Counts     Kind = "counts"     // what it has used so far
)

// What the harness sees or does.
const (
	Started  Kind = "started"  // a process
	Exited   Kind = "exited"   // a process; the detail says how
	Frozen   Kind = "frozen"   // a process
	Thawed   Kind = "thawed"   // a process
	Accepted Kind = "accepted" // a write, by the register
	Refused  Kind = "refused"  // a write, by the register, because its token is not the highest
	Lease    Kind = "lease"    // the Lease has changed
	Fault    Kind = "fault"    // a fault begins
	Healed   Kind = "healed"   // a fault ends
)

// An Event is one thing that happened. All processes run on one machine and read one clock.
type Event struct {
	At       time.Time `json:"at"`
	Replica  string    `json:"replica,omitempty"`
	Number   int       `json:"process,omitempty"` // of the replica's process: the first, the second, …
	Kind     Kind      `json:"kind"`
	Token    string    `json:"token,omitempty"`
	Detail   string    `json:"detail,omitempty"`
	Unfenced bool      `json:"unfenced,omitempty"` // a write without a token
	Began    time.Time `json:"began,omitzero"`     // when the client was handed what it wrote
	Usage    *Usage    `json:"usage,omitempty"`    // of Counts
	Record   *Record   `json:"record,omitempty"`   // of Lease
}

// Usage is what a process has used since it began.
type Usage struct {
	Requests   map[string]int `json:"requests"`           // about the Lease, by verb
	Longest    time.Duration  `json:"longestNanoseconds"` // request about the Lease, except watches
	Goroutines int            `json:"goroutines"`
	Files      int            `json:"files"`
}

// Total returns the number of requests.
func (u *Usage) Total() (n int) {
	for _, count := range u.Requests {
		n += count
	}
	return n
}

// A Record is what the Lease says. Its [history.Record] is the zero one if the Lease is gone.
type Record struct {
	history.Record
	Acquired, Renewed time.Time
	Author            string // the process whose User-Agent wrote the election's record
	Marked            bool   // the administrator's label and annotation are there
}

// A Process is one of a replica.
type Process struct {
	Replica string
	Number  int
}

func (p Process) String() string { return fmt.Sprintf("%s#%d", p.Replica, p.Number) }

// ParseProcess returns the process with a name that [Process.String] has made.
func ParseProcess(name string) Process {
	replica, number, _ := strings.Cut(name, "#")
	n, _ := strconv.Atoi(number)
	return Process{replica, n}
}

// Process returns the process that the event is about.
func (e Event) Process() Process { return Process{e.Replica, e.Number} }

// Of returns a function that reports whether an event has one of the kinds.
func Of(kinds ...Kind) func(Event) bool {
	return func(e Event) bool { return slices.Contains(kinds, e.Kind) }
}

// Does returns a function that reports whether an event is about the process, and has one of the kinds.
func (p Process) Does(kinds ...Kind) func(Event) bool {
	return func(e Event) bool { return e.Process() == p && slices.Contains(kinds, e.Kind) }
}
