// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// A proof is what an [Observation] says of the end of the process that wrote the record.
type proof struct {
	// process is how the record names the process, "" if it does not.
	process string
	// doubted reports that it has renewed since its end was seen. A false report looks like that, so its time must pass. A
	// renewal that it sent before its end says nothing.
	doubted bool
	// inherited is how long after Changed the Lease must not be claimed because of holders before that process. former
	// names the last of them, whose end would be worth knowing, "" if it is not, and older is what would be left of
	// inherited then.
	inherited, older time.Duration
	former           string
}

// An Ending is the end of the process that wrote a record.
type Ending struct {
	// How says how the process ended, in words.
	How string
	// Seen is when its end was seen.
	Seen Moment
	// Grace is how long after that the Lease must not be claimed.
	Grace time.Duration
	// Before is when the process had ended, by its node's clock, the zero time if that is not known.
	Before time.Time
}

// late reports whether the Lease's record was sent before the process had ended, by the process's clock, which is that
// of its node. A request that was under way then may be carried out after the end is known.
func (e *Ending) late(lease *coordinationv1.Lease) bool {
	return lease.Spec.RenewTime.Time.Before(e.Before)
}

// Process returns how the record names the process that holds the Lease, if that is another one and its end is worth
// knowing, and "" otherwise.
func (o Observation) Process() string {
	if o.Ours || o.Restored || o.proof.doubted {
		return ""
	}
	return o.proof.process
}

// Former returns how the record before names its process, if that is why the Lease must be left alone although the
// present holder may be known to be dead, and "" otherwise. A candidate that hears of a takeover before it hears of the
// end that was the reason for it sees that.
func (o Observation) Former() string {
	if o.Ours || o.Restored || o.proof.inherited <= Now().StandbySince(o.Changed) {
		return ""
	}
	return o.proof.former
}

// processOf returns how a signed record names the process that wrote it, "" if it does not.
func (r rules) processOf(lease *coordinationv1.Lease) string {
	if lease == nil || r.process == "" {
		return ""
	}
	return ProcessOf(lease, r.process, r.signature)
}

// ProcessOf returns how a signed record names the process that wrote it, "" if it does not. tie and signature are the
// keys of the annotations with what [Tied] returns and with the signature.
func ProcessOf(lease *coordinationv1.Lease, tie, signature string) string {
	tied := lease.Annotations[tie]
	process := tied[:max(0, strings.LastIndexByte(tied, ' '))]
	if tied != Tied(process, Holder(lease)) || !Signed(lease, signature) {
		return ""
	}
	return process
}

// Tied returns what the record of a holder says of its process. If somebody writes another holder into the record, that
// is not the one whose process is named.
func Tied(process, holder string) string {
	sum := sha256.Sum256([]byte(holder))
	return process + " " + hex.EncodeToString(sum[:8])
}

// proofAfter returns the proof of the observation after o, when another record of a process is seen at m. doubted
// reports whether that makes its end doubtful.
func (o Observation) proofAfter(process string, doubted bool, m Moment) proof {
	since := m.StandbySince(o.Changed)
	if process == "" || process != o.proof.process || o.Ours {
		next := proof{process: process, inherited: o.ClaimableIn(m), older: max(0, o.proof.inherited-since)}
		if next.inherited > 0 && o.Ending == nil {
			next.former = o.Process()
		}
		return next
	}
	return proof{
		process:   process,
		doubted:   o.proof.doubted || doubted,
		inherited: max(0, o.proof.inherited-since),
		older:     max(0, o.proof.older-since),
		former:    o.proof.former,
	}
}

// endedIn returns how much longer, as of m, the Lease must not be claimed although its holder's end is known.
func (o Observation) endedIn(m Moment) time.Duration {
	return max(0, o.proof.inherited-m.StandbySince(o.Changed), o.Ending.Grace-m.StandbySince(o.Ending.Seen))
}

// Ended takes in that a process has ended, before a time by its node's clock, as was just seen, and that the Lease must
// be left alone for grace. It reports whether that is news about the holder of the Lease or the one before. It may be
// called again with a shorter grace.
func (v *View) Ended(process, how string, grace time.Duration, before time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if process == "" {
		return false
	}
	if process == v.obs.Former() {
		p := &v.obs.proof
		p.inherited = min(p.inherited, max(p.older, Now().StandbySince(v.obs.Changed)+grace))
		p.former = ""
		v.tellLocked()
		return true
	}
	if v.obs.Process() != process {
		return false
	}
	ending := &Ending{How: how, Seen: Now(), Grace: grace, Before: before}
	if known := v.obs.Ending; known != nil {
		if known.Grace <= grace {
			return false
		}
		ending.Seen = known.Seen
	}
	v.obs.Ending = ending
	v.tellLocked()
	return true
}

// tellLocked tells those who wait for a newer observation.
func (v *View) tellLocked() {
	close(v.changed)
	v.changed = make(chan struct{})
}
