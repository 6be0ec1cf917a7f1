// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package report has a replica of the operator say in its log, in JSON, what it is doing, for a program to follow:
// examples/demo does.
package report

import (
	"encoding/json"
	"log/slog"
	"time"
)

// What a Report is about.
const (
	EventState   = "state"           // nothing new: how things are
	EventLeading = "started leading" // the term's work is being started
	EventWorked  = "first reconcile" // the term's first reconcile has succeeded
	EventStopped = "stopped leading" // the term's work has returned; the lease is not released yet
)

// Report is what a replica says of itself.
type Report struct {
	Event      string        `json:"event"`
	Term       int           `json:"term"`              // leaseTransitions of the term the event is about
	Token      string        `json:"token,omitempty"`   // of the same term
	Cause      string        `json:"cause,omitempty"`   // why the term ended, of EventStopped
	Leading    bool          `json:"leading,omitempty"` // this and what follows: of EventState
	Remaining  time.Duration `json:"remainingNanoseconds,omitempty"`
	Reconciled int64         `json:"reconciled,omitempty"` // since the process began
	Leader     string        `json:"leader,omitempty"`
}

// key is the log attribute a Report is under.
const key = "report"

// Log writes the report into the log, with a handler that makes JSON.
func (r Report) Log(logger *slog.Logger) {
	logger.Info(r.Event, key, r)
}

// Parse reads a line of a log. It returns false for a line that has no report.
func Parse(line []byte) (at time.Time, r Report, found bool) {
	var entry struct {
		Time   time.Time `json:"time"`
		Report *Report   `json:"report"`
	}
	if err := json.Unmarshal(line, &entry); err != nil || entry.Report == nil || entry.Time.IsZero() {
		return time.Time{}, Report{}, false
	}
	return entry.Time, *entry.Report, true
}
