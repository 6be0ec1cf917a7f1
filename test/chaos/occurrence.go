// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import "time"

// kind is what an event is about.
type kind string

// What replicas report of themselves.
const (
	isReady    kind = "ready"      // the API server has answered a first request about the Lease
	leads      kind = "leads"      // the leader's work begins
	told       kind = "told"       // the leader's work finds its context ended; the detail is the cause
	returns    kind = "returns"    // the leader's work does
	stopped    kind = "stopped"    // OnStoppedLeading was called
	believes   kind = "believes"   // it believes itself the leader, though its work is to stop
	woke       kind = "woke"       // it has not run for a while; the detail says whether it believes itself the leader
	cannot     kind = "cannot"     // a write was refused by the term's own client
	reconciles kind = "reconciles" // a reconcile begins
	wrote      kind = "wrote"      // a write to the API server has succeeded
	stopping   kind = "stopping"   // it was asked to end
	done       kind = "done"       // the manager, or the elector, has returned; the detail is its error
	counts     kind = "counts"     // what it has used so far
)

// What the harness sees or does.
const (
	started  kind = "started"  // a replica's process
	exited   kind = "exited"   // a replica's process; the detail says how
	frozen   kind = "frozen"   // a replica's process
	thawed   kind = "thawed"   // a replica's process
	accepted kind = "accepted" // a write, by the register
	refused  kind = "refused"  // a write, by the register, as its token is not the highest
	lease    kind = "lease"    // the Lease has changed
	fault    kind = "fault"    // one begins
	healed   kind = "healed"   // one ends
)

// occurrence is one line of a history. All processes run on one machine and read one clock.
type occurrence struct {
	At       time.Time `json:"at"`
	Replica  string    `json:"replica,omitempty"`
	Process  int       `json:"process,omitempty"` // of the replica: the first, the second, …
	Kind     kind      `json:"kind"`
	Token    string    `json:"token,omitempty"`
	Detail   string    `json:"detail,omitempty"`
	Unfenced bool      `json:"unfenced,omitempty"` // a write without a token
	Began    time.Time `json:"began,omitzero"`     // when what was written was handed to the client
	Usage    *usage    `json:"usage,omitempty"`    // of counts
	Record   *record   `json:"record,omitempty"`   // of lease
}

// usage is what a replica's process has used since it began.
type usage struct {
	Requests   map[string]int `json:"requests"`           // about the Lease, by verb
	Longest    time.Duration  `json:"longestNanoseconds"` // request about the Lease, but watches
	Goroutines int            `json:"goroutines"`
	Files      int            `json:"files"`
}

// record is what the Lease says.
type record struct {
	Version     string    `json:"version"`
	UID         string    `json:"uid"`
	Gone        bool      `json:"gone,omitempty"`
	Holder      string    `json:"holder"`
	Acquired    time.Time `json:"acquired,omitzero"`
	Renewed     time.Time `json:"renewed,omitzero"`
	Author      string    `json:"author"` // the process by whose User-Agent the election's record was written
	Transitions int       `json:"transitions"`
	Seconds     int       `json:"seconds"`
	Marked      bool      `json:"marked,omitempty"` // the administrator's label and annotation are there
}
