// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"
)

// Kind is what happened.
type Kind string

// The kinds of events, with the fields they use beside At and Replica.
const (
	ProcessStarted Kind = "started" // Plain; Detects; OK: it releases the Lease when it is stopped; Note: its configuration
	ProcessTold    Kind = "told"    // the process was told to end, as by SIGTERM
	ProcessEnded   Kind = "ended"   // crashed or left; OK: Start returned nil; Note: else why; it records nothing after this

	Reported Kind = "reported" // the API server says, truly, that the process has ended; OK: nobody has said anything else about it

	TermStarted   Kind = "term"      // OnStartedLeading was called: Token
	TermCancelled Kind = "cancelled" // the term's context is done: Token, Cause
	WorkReturned  Kind = "returned"  // OnStartedLeading returned: Token
	TermStopped   Kind = "stopped"   // OnStoppedLeading was called: Token if known

	SteppedDown Kind = "stepped-down" // StepDown returned; OK: nil

	HoldTaken Kind = "hold"   // Term.Hold was granted: Token
	Served    Kind = "served" // one effect of work under a hold, for no longer than Remaining had said: Token, OK as for Acted
	HoldGiven Kind = "unhold" // the hold was given back: Token

	Leading Kind = "leading" // IsLeader said true at this instant
	Acted   Kind = "acted"   // one effect of the leader's work: Token; OK: it was accepted, else a fence refused it

	LeaseWrite Kind = "write"    // the API server accepted a write; Replica is its author, "" an administrator: Before, After
	Requests   Kind = "requests" // N requests sent since the process's last such event, or since its start
	Logged     Kind = "logged"   // N lines logged, at level Info or above, since the process's last such event, or since its start

	FaultBegan Kind = "fault"  // Replica: the process or replica it is about, "" for all, ByHand for the Lease; Note names it, uniquely; OK: it must not cost a leader its term; Cause: one of the lasting ones
	FaultEnded Kind = "healed" // the same Replica, Note and OK; at the same time as FaultBegan if it is a momentary one
	Frozen     Kind = "frozen" // the process does not run from here on
	Thawed     Kind = "thawed" // it runs again
)

// ByHand is the Replica of a fault of the Lease alone, which an administrator causes.
const ByHand = "hand"

// Causes of TermCancelled that say what the Lease was seen to be.
const (
	CauseTakenOver = "lease taken over" // elector.ErrTakenOver
	CauseDeleted   = "lease deleted"    // elector.ErrLeaseDeleted
)

// Causes of TermCancelled after which the Lease is still held while the work ends.
const (
	CauseStopped     = "stopped"      // elector.ErrStopped
	CauseSteppedDown = "stepped down" // elector.ErrSteppedDown
)

// Causes of FaultBegan for faults that last so long that a process must have become calm about them.
const (
	LastingBan  = "nothing is permitted"
	LastingSome = "requests are refused"
	LastingLie  = "the API server says that there is no Lease"
	LastingEdit = "the Lease is deleted again and again"
)

// Record is the Lease as a write found or left it. The zero Record is no Lease.
type Record struct {
	UID         string
	Version     string
	Holder      string
	Renewed     string // renewTime
	Seconds     int32  // leaseDurationSeconds
	Transitions int32
}

// RecordOf returns a Lease as histories have it. No Lease is nil.
func RecordOf(l *coordinationv1.Lease) (r Record) {
	if l == nil {
		return r
	}
	r = Record{
		UID: string(l.UID), Version: l.ResourceVersion,
		Holder: ptr.Deref(l.Spec.HolderIdentity, ""), Seconds: ptr.Deref(l.Spec.LeaseDurationSeconds, 0),
		Transitions: ptr.Deref(l.Spec.LeaseTransitions, 0),
	}
	r.Holder = r.Holder[:min(len(r.Holder), 1000)]
	if l.Spec.RenewTime != nil {
		r.Renewed = strconv.FormatInt(l.Spec.RenewTime.UnixMicro(), 10)
	}
	return r
}

// Event is one thing that happened.
type Event struct {
	At      time.Duration // since the run's start
	Replica string
	Kind    Kind
	Plain   bool // the process runs client-go's LeaderElector as it is
	Detects bool // the process has crash detection
	Token   string
	Lease   string // of several, the one that the event is about
	Cause   string
	OK      bool
	N       int
	Before  *Record
	After   *Record
	Note    string
}

// String returns a line for a reader.
func (e Event) String() string {
	text := fmt.Sprintf("%12.6f  %-5s %-9s", e.At.Seconds(), e.Replica, e.Kind)
	add := func(name, value string) {
		if value != "" {
			text += " " + name + value
		}
	}
	add("", e.Lease)
	add("token=", e.Token)
	add("cause=", e.Cause)
	if e.Kind == Acted || e.Kind == Served || e.Kind == ProcessEnded || e.Kind == SteppedDown {
		add("ok=", fmt.Sprint(e.OK))
	}
	if e.N > 0 {
		add("n=", fmt.Sprint(e.N))
	}
	if e.Kind == LeaseWrite {
		text += fmt.Sprintf(" %v -> %v", e.Before, e.After)
	}
	add("", e.Note)
	return strings.TrimRight(text, " ")
}

// String returns a short form.
func (r *Record) String() string {
	if r == nil || *r == (Record{}) {
		return "none"
	}
	holder := r.Holder
	if len(holder) > 20 {
		holder = holder[:20] + "…"
	}
	return fmt.Sprintf("%q@%s(%ds,#%d)", holder, r.Version, r.Seconds, r.Transitions)
}

// A History has events in the order of their times. Events of one instant are in the order in which they were recorded.
type History []Event

// Merge makes one history of several.
func Merge(parts ...History) History {
	all := slices.Concat(parts...)
	slices.SortStableFunc(all, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return all
}

// Text returns a line for each event, for a reader.
func (h History) Text() string {
	var text strings.Builder
	for _, e := range h {
		text.WriteString(e.String() + "\n")
	}
	return text.String()
}

// Save writes the history's text to a file, and makes its directory.
func (h History) Save(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // Anyone may read it.
		return err
	}
	return os.WriteFile(file, []byte(h.Text()), 0o644) //nolint:gosec // Anyone may read it.
}

// Recorder collects events. Its methods may be called concurrently.
type Recorder struct {
	start time.Time

	mu     sync.Mutex // guards events
	events History
}

// NewRecorder makes a recorder of a run that started at start.
func NewRecorder(start time.Time) *Recorder { return &Recorder{start: start} }

// Add records the event as of now.
func (r *Recorder) Add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.At = time.Since(r.start)
	r.events = append(r.events, e)
}

// History returns what has been recorded so far.
func (r *Recorder) History() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

func (r Record) duration() time.Duration { return time.Duration(r.Seconds) * time.Second }

// changesRecord reports whether the write is about the election, and not about a label or an annotation.
func (e Event) changesRecord() bool {
	before, after := deref(e.Before), deref(e.After)
	before.Version, after.Version = "", ""
	return before != after
}

// changesHolder reports whether the record is another's afterwards. No two writers have a renewTime in common.
func (e Event) changesHolder() bool {
	before, after := deref(e.Before), deref(e.After)
	return before.UID != after.UID || before.Holder != after.Holder || before.Renewed != after.Renewed
}

func deref(r *Record) Record {
	if r == nil {
		return Record{}
	}
	return *r
}
