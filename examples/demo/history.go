// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kube-elector/elector/elector"
)

// kind is what happened to a replica.
type kind string

const (
	up         kind = "up"         // the process was started
	leading    kind = "leading"    // OnStartedLeading, by the replica's report
	worked     kind = "worked"     // the term's first reconcile has succeeded, by the replica's report
	stopped    kind = "stopped"    // the term's work has returned, by the replica's report
	terminated kind = "terminated" // SIGTERM was sent
	killed     kind = "killed"     // SIGKILL was sent
	lostNode   kind = "lost node"  // SIGKILL was sent, and nobody reports the end
	reported   kind = "reported"   // the end of the process was reported to its Pod
	frozen     kind = "frozen"     // SIGSTOP was sent
	woken      kind = "woken"      // SIGCONT was sent
	exited     kind = "exited"     // the process is gone
	renewed    kind = "renewed"    // the lease was renewed, by its renewTime
)

// An event is something that happened to a replica. The same clock times the replicas' reports and those of the demo,
// since all processes run on this machine.
type event struct {
	At      time.Time
	Replica string
	Kind    kind
	Token   string // of leading, worked, stopped; also Term
	Term    int
	Detail  string // for the reader
}

// name returns what a reader calls it.
func (k kind) name() string {
	if name := map[kind]string{terminated: "clean stop", killed: "crash", lostNode: "node lost", frozen: "freeze", stopped: "lost lease"}[k]; name != "" {
		return name
	}
	return string(k)
}

// signal returns what was sent, or "" if nothing was.
func (k kind) signal() string {
	return map[kind]string{terminated: "SIGTERM", killed: "SIGKILL", lostNode: "SIGKILL", frozen: "SIGSTOP", woken: "SIGCONT"}[k]
}

// text returns the event in words.
func (e event) text() string {
	switch e.Kind {
	case up:
		return "replica " + e.Replica + " starts"
	case leading:
		return "replica " + e.Replica + " leads, token " + e.Token
	case worked:
		return "replica " + e.Replica + " has reconciled its first object in this term"
	case stopped:
		return "replica " + e.Replica + " has stopped its work: " + e.Detail
	case exited:
		return "replica " + e.Replica + " has gone: " + e.Detail
	case reported:
		return "the end of replica " + e.Replica + " is reported to its Pod, which is the kubelet's part"
	case lostNode:
		return e.Kind.signal() + " to replica " + e.Replica + ", and its node is lost: nobody reports that"
	case terminated, killed, frozen, woken:
		return e.Kind.signal() + " to replica " + e.Replica
	default:
		return string(e.Kind)
	}
}

// ends says whether a replica that led does so no more after an event of this kind. A frozen leader still leads for the
// rest of its RenewDeadline, but it does not work.
func (k kind) ends() bool {
	return k == stopped || k == killed || k == lostNode || k == frozen || k == exited
}

// change is one change of leader.
type change struct {
	Fault    kind // what became of the old leader: terminated, killed, lostNode, frozen
	From, To string
	Old, New string // tokens
	Ended    time.Time
	Began    time.Time
	Worked   time.Time // zero if the new leader never did
	Renewed  time.Time // when the old leader last renewed
	Reported time.Time // when the end of the old leader's process was reported, zero if it was not before Began
}

// Gap returns how long nobody led.
func (c change) Gap() time.Duration { return c.Began.Sub(c.Ended) }

// ToWork returns the time from the end of the old leader's work to the new leader's first.
func (c change) ToWork() time.Duration { return c.Worked.Sub(c.Ended) }

// reign is the leader and its term while the history is gone through.
type reign struct {
	replica, token string
	fault          kind // the last one its replica met
	ended          time.Time
	renewed        time.Time
	reported       time.Time
}

// changes finds the changes of leader in a history, and the faults in it, which are leaders at the same time and tokens
// that do not rise.
func changes(history []event) ([]change, error) {
	history = inOrder(history)
	var (
		found  []change
		faults []error
		now    *reign
	)
	firstWork := map[string]time.Time{} // by token, since it may be reported before leading, which it runs beside
	for _, e := range history {
		if e.Kind == worked {
			firstWork[e.Token] = e.At
		}
	}
	for _, e := range history {
		switch {
		case e.Kind == leading:
			next := &reign{replica: e.Replica, token: e.Token}
			if now != nil {
				c := change{
					Fault: now.fault, From: now.replica, To: e.Replica, Old: now.token, New: e.Token,
					Ended: now.ended, Began: e.At, Renewed: now.renewed, Worked: firstWork[e.Token], Reported: now.reported,
				}
				faults = append(faults, c.faults()...)
				found = append(found, c)
			}
			now = next
		case now == nil || e.Replica != now.replica:
		case e.Kind == terminated:
			now.fault = terminated
		case e.Kind.ends() && now.ended.IsZero():
			now.ended = e.At
			if now.fault == "" {
				now.fault = e.Kind
			}
		case e.Kind == woken: // It wakes in time, and leads on in the same term.
			now.ended, now.fault = time.Time{}, ""
		case e.Kind == renewed:
			now.renewed = e.At
		case e.Kind == reported:
			now.reported = e.At
		}
	}
	return found, errors.Join(faults...)
}

// faults says what is wrong with the change.
func (c change) faults() []error {
	var faults []error
	if c.Ended.IsZero() {
		faults = append(faults, fmt.Errorf("%s began to lead while %s led", c.To, c.From))
	}
	if order, err := elector.Token(c.New).Compare(elector.Token(c.Old)); err != nil {
		faults = append(faults, fmt.Errorf("the tokens of %s and %s: %w", c.From, c.To, err))
	} else if order <= 0 {
		faults = append(faults, fmt.Errorf("the token of %s, %s, is not higher than %s, that of %s before it", c.To, c.New, c.Old, c.From))
	}
	return faults
}

// inOrder sorts by time, since the reports of several processes arrive in any order.
func inOrder(history []event) []event {
	history = slices.Clone(history)
	slices.SortStableFunc(history, func(a, b event) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	return history
}
