// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"math"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/ptr"
)

// An Author is this process as the writer of Leases: its Identity, and a nonce that no other process has.
type Author struct {
	Identity, Nonce string
	// Annotation is the key of the annotation that carries the signature of a write.
	Annotation string
}

// A writing is one write of this process that names it as the holder.
type writing struct {
	base      string    // the resourceVersion that it replaces, "" if it creates the Lease
	renewTime time.Time // no other write of this process has the same
	acquired  time.Time // the record's acquireTime, which is its term's
	id        string    // tells it from a write that a clone of this process sends at the same time
	sent      Moment
	open      time.Duration // until when, by the monotonic clock, it may be carried out
	settled   bool          // it was not carried out, if it has not been seen
	overtaken bool          // another record was seen since it was sent, and it creates the Lease
	version   string        // the newest resourceVersion known to show it, "" if it has not been seen
}

// signature returns the value of [Author.Annotation] for a write.
func (a Author) signature(w writing) string {
	return a.Nonce + " " + w.time() + " " + w.id
}

// time returns the write's renewTime as signatures have it.
func (w writing) time() string { return w.renewTime.UTC().Format(metav1.RFC3339Micro) }

// wrote reports whether the Lease's record is that of the write.
func (a Author) wrote(w writing, lease *coordinationv1.Lease) bool {
	if Holder(lease) != a.Identity || lease.Spec.RenewTime == nil || !lease.Spec.RenewTime.Time.Equal(w.renewTime) {
		return false
	}
	// A claim that failed may have been sent at the microsecond of another's renewal. Once the record is known to be of
	// this write, others may edit its acquireTime.
	if acquired := ptr.Deref(lease.Spec.AcquireTime, metav1.MicroTime{}); w.version == "" && !acquired.Equal(micro(w.acquired)) {
		return false
	}
	// Another process with this Identity, which may be a clone with this nonce, may have written at the same microsecond.
	// A signature of another time says nothing about this record.
	signature := lease.Annotations[a.Annotation]
	return signature == a.signature(w) || !strings.Contains(signature, " "+w.time()+" ")
}

// Holder returns the Lease's holder, "" if it was released or there is no Lease.
func Holder(lease *coordinationv1.Lease) string {
	if lease == nil {
		return ""
	}
	return ptr.Deref(lease.Spec.HolderIdentity, "")
}

// inscribe puts the record that client-go wants to store into the Lease. It returns the write's signature, "" if the
// write names no holder. What others wrote stays: labels, annotations, and the spec's fields for coordinated election.
func (a Author) inscribe(lease *coordinationv1.Lease, r resourcelock.LeaderElectionRecord, w writing) (signature string) {
	spec := &lease.Spec
	spec.HolderIdentity = ptr.To(r.HolderIdentity)
	spec.LeaseDurationSeconds = ptr.To(int32(r.LeaseDurationSeconds)) //nolint:gosec // at most MaxLeaseDuration
	spec.AcquireTime = micro(w.acquired)
	spec.RenewTime = &metav1.MicroTime{Time: w.renewTime}
	// Somebody may have written the largest number there is. The API server would refuse one more for ever.
	spec.LeaseTransitions = ptr.To(int32(min(max(r.LeaderTransitions, 0), math.MaxInt32))) //nolint:gosec // bounded here
	if r.HolderIdentity == "" {
		return ""
	}
	return a.signature(w)
}

// Signed reports whether an Elector wrote the Lease's record, and its annotations with it. annotation is the key of its
// signature.
func Signed(lease *coordinationv1.Lease, annotation string) bool {
	parts := strings.Fields(lease.Annotations[annotation])
	return Holder(lease) != "" && lease.Spec.RenewTime != nil && len(parts) == 3 &&
		parts[1] == lease.Spec.RenewTime.UTC().Format(metav1.RFC3339Micro)
}

// micro returns t as the Lease stores it.
func micro(t time.Time) *metav1.MicroTime {
	return &metav1.MicroTime{Time: t.Truncate(time.Microsecond)}
}
