// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"strings"
	"time"
)

// Limits are the figures the invariants need.
type Limits struct {
	LeaseDuration time.Duration // the longest configured
	RenewDeadline time.Duration // the longest configured, by the run's clock
	RetryPeriod   time.Duration // the shortest configured, by the run's clock
	Unnamed       time.Duration // how long a record without a duration is waited for: the shortest LeaseDuration
	MaxLease      time.Duration // the longest that any recorded duration is waited for

	Allowance    time.Duration // how long work may act on after its term's end
	Notice       time.Duration // from the API server's knowing of another holder to the end of the term
	Wake         time.Duration // how long a thawed process may act before it finds itself not leading
	BetweenTerms time.Duration // after terms that ended at once, again and again, until the next may begin
	Takeover     time.Duration // beyond the lapse of the record: until somebody leads when all is well
	Settle       time.Duration // after a fault, until a replica that had it must be its old self
	Leave        time.Duration // from being told to end until Start returns; 0 is not judged
	Grace        time.Duration // after the report of a process's end, until others may claim its Lease
	Crash        time.Duration // after that report, until one of them has claimed it if all is well; 0 is not judged
	Skew         float64       // how much faster than the run's clock a candidate's may run: 0.1 is 10 %
	Tolerance    time.Duration // how exact the times of events are

	RequestBurst   int     // requests beyond the steady ones
	RequestsPerTry float64 // requests in one RetryPeriod

	// These limit what a process may do in a minute while a lasting fault is on. With 0 it is not judged.
	LeaderPerMinute  float64 // requests of one that leads
	StandbyPerMinute float64 // requests of one that does not
	BarredPerMinute  float64 // requests of one to which all are refused
	LinesPerMinute   float64 // lines logged
	TermsPerMinute   float64 // terms begun

	Nil bool // what nil from Start and StepDown means is judged

	// JudgePlain holds processes of plain client-go to all of it. Otherwise they are part of the world, like an
	// administrator.
	JudgePlain bool
}

// Violation is one thing that must not be in a history.
type Violation struct {
	Invariant string
	At        time.Duration
	Replica   string
	What      string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: at %.6fs: %s: %s", v.Invariant, v.At.Seconds(), v.Replica, v.What)
}

// Invariant is a rule that holds over every history.
type Invariant struct {
	Name  string
	Says  string
	check func(*world, Limits) []Violation
}

// All returns the invariants.
func All() []Invariant {
	return []Invariant{
		{"one-leader", "at most one process has a valid term at a time", oneLeader},
		{"ends-in-time", "a term is over RenewDeadline after its last accepted write", endsInTime},
		{"ends-on-notice", "a term is over soon after the API server knows of another holder, or none", endsOnNotice},
		{"work-stops", "no work after a term's end and its allowance", workStops},
		{"work-alone", "no work runs beside another's term", workAlone},
		{"leaves", "Start returns in time: when it is told to end, and when work does not end that has lost its term", leaves},
		{"nil", "when Start or StepDown returns nil, the Lease is not held", nilMeansReleased},
		{"callbacks", "callbacks come in pairs and in order, one term of a process after the other", callbacks},
		{"tokens-rise", "tokens rise strictly, and each is the version of a write of the process's own", tokensRise},
		{"fence", "nothing is accepted with a lower token than was accepted before", fence},
		{"release", "the Lease is released only by its holder, and after its work", released},
		{"respect", "nobody overwrites another's record before it has lapsed", respect},
		{"crash", "when a process is reported to have ended, another takes its Lease soon", crash},
		{"kept", "a healthy leader does not lose its term", kept},
		{"progress", "somebody leads when all is well", progress},
		{"requests", "requests are bounded", requests},
		{"calm", "while a fault lasts, requests, log lines and terms are few", calm},
	}
}

// Check applies all invariants.
func Check(h History, l Limits) []Violation {
	w := read(h)
	var found []Violation
	for _, i := range All() {
		for _, v := range i.check(w, l) {
			v.Invariant = i.Name
			found = append(found, v)
		}
	}
	return found
}

func violation(at time.Duration, replica, format string, args ...any) Violation {
	return Violation{At: at, Replica: replica, What: fmt.Sprintf(format, args...)}
}

// slot returns the replica of a process, "b" of "b#2".
func slot(process string) string {
	name, _, _ := strings.Cut(process, "#")
	return name
}
