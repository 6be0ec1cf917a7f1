// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"
)

// An Observation is what a candidate knows of the Lease.
type Observation struct {
	// Known is false until the Lease, or its absence, was seen once.
	Known bool
	// Lease is nil when there is none. It is never written to.
	Lease *coordinationv1.Lease
	// Ours reports whether this very process holds it.
	Ours bool
	// Restored reports that this process wrote the record, and that another may have held the Lease since, unseen: the
	// record is not ours, and nobody else's either.
	Restored bool
	// Changed is when the holder was last seen to write. Edits by others are no sign of life.
	Changed Moment
	// Validity is how long after Changed the Lease must not be claimed, because its holder, or the holder whose record was
	// replaced, may still lead. It is 0 when the Lease is free.
	Validity time.Duration
	// Ending is how the process that wrote the record ended, nil if that is not known.
	Ending *Ending
	// Left reports whether the last holder seen was this process.
	Left bool
	// Note is what [Config.Note] returned.
	Note any

	unseen   *time.Duration // until when, by the monotonic clock, a write of ours may have been carried out unseen
	renewing bool           // the holder was seen to renew this record
	proof    proof
}

// Holder returns the holder, "" if the Lease was released or there is none.
func (o Observation) Holder() string { return Holder(o.Lease) }

// Version returns the Lease's resourceVersion, "" if there is none.
func (o Observation) Version() string {
	if o.Lease == nil {
		return ""
	}
	return o.Lease.ResourceVersion
}

// ClaimableIn returns how much longer, as of m, the Lease must not be claimed.
func (o Observation) ClaimableIn(m Moment) time.Duration {
	if o.Validity == 0 {
		return 0 // Changed says nothing when nothing was seen
	}
	left := max(0, o.Validity-m.StandbySince(o.Changed))
	if o.Ending != nil {
		left = min(left, o.endedIn(m))
	}
	return left
}

// LapsesIn returns how much longer, as of m, the record of this process may keep the others waiting, whose
// LeaseDuration is own. They may have seen a write of it that got no answer. It is 0 if the record is not of this
// process.
func (o Observation) LapsesIn(m Moment, own time.Duration) time.Duration {
	switch {
	case o.Ours:
		left := own - m.StandbySince(o.Changed)
		if o.unseen != nil {
			left = max(left, own-(m.Mono-*o.unseen))
		}
		return max(0, left)
	case o.Restored:
		return o.ClaimableIn(m)
	}
	return 0
}

// rules are what a Lease is judged by.
type rules struct {
	own       time.Duration // the candidate's LeaseDuration
	longest   time.Duration // Config.Longest
	process   string        // Config.Process
	signature string        // the key of the annotation with it
}

// after returns the observation that follows o when lease, or nil for none, is seen at m. ours reports whether this
// process wrote its record.
func (o Observation) after(lease *coordinationv1.Lease, ours bool, m Moment, r rules) Observation {
	next := Observation{Known: true, Lease: lease, Ours: ours, Changed: m, Left: o.Ours || o.Left}
	same := o.same(lease)
	keep := func() Observation {
		next.Changed, next.Validity, next.renewing = o.Changed, o.Validity, o.renewing
		next.Ending, next.proof = o.Ending, o.proof
		return next
	}
	switch {
	case o.Ours == ours && o.holds(lease):
		return keep()
	case ours:
		// Our own record can only be of a term that is over, since the caller is standing by. It replaced the record before
		// by compare-and-swap, when that had become claimable.
	case Holder(lease) != "":
		next.Left = false
		next.renewing = same && o.Holder() == Holder(lease) && !o.Ours && lease.Spec.RenewTime != nil
		// The record may have been put in the place of another, by an administrator or from a backup, while the other's
		// holder still leads.
		next.Validity = max(r.validity(&lease.Spec, next.renewing, m), o.ClaimableIn(m))
		process := r.processOf(lease)
		if o.Ending != nil && process != "" && process == o.proof.process && o.Ending.late(lease) {
			next.Ending = o.Ending
		}
		next.proof = o.proofAfter(process, o.Ending != nil && next.Ending == nil, m)
	case o.Known && (!same || o.Holder() == ""):
		// Gone, or a blank one in its place, or a blank one edited. The holder before may not have noticed yet, so its time
		// must pass all the same.
		return keep()
	}
	return next
}

// same reports whether the Lease is the one that was observed, and not another of its name.
func (o Observation) same(lease *coordinationv1.Lease) bool {
	return o.Known && o.Lease != nil && lease != nil && o.Lease.UID == lease.UID
}

// holds reports whether the Lease still has the record that was observed.
func (o Observation) holds(lease *coordinationv1.Lease) bool {
	return o.same(lease) && sameWriting(&o.Lease.Spec, &lease.Spec)
}

// sameWriting reports whether both specs are of the same write of a holder. Each write has a renewTime of its own.
// Whatever else differs was edited by somebody else.
func sameWriting(a, b *coordinationv1.LeaseSpec) bool {
	return a.RenewTime.Equal(b.RenewTime) && ptr.Deref(a.HolderIdentity, "") == ptr.Deref(b.HolderIdentity, "")
}

// maxPlausible is the longest recorded duration that is honoured at all. An administrator or a tool that writes a
// renewTime into a Lease looks like its holder renewing, and the field has room for 68 years.
const maxPlausible = 24 * time.Hour

// validity returns how long a holder's record must not be claimed after its holder was last seen to write, at m. That
// is the duration it records, or r.own if it records none. One above r.longest counts only if its holder is renewing,
// and then for maxPlausible at most, or if it is at most maxPlausible and the record's renewTime lies within it by our
// wall clock: the first renewal may be due after r.longest.
func (r rules) validity(spec *coordinationv1.LeaseSpec, renewing bool, m Moment) time.Duration {
	if spec.LeaseDurationSeconds == nil || *spec.LeaseDurationSeconds <= 0 {
		return r.own
	}
	recorded := time.Duration(*spec.LeaseDurationSeconds) * time.Second
	if recorded <= r.longest || renewing {
		return min(recorded, maxPlausible)
	}
	if t := spec.RenewTime; t != nil && recorded <= maxPlausible && m.Wall.Sub(t.Time).Abs() < recorded {
		return recorded
	}
	return r.longest
}
