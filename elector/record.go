// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"math"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/ptr"
)

// maxAnnotations is how many bytes all annotations of an object may have, by the API server's
// validation.
const maxAnnotations = 256 << 10

// An author is this process as the writer of Leases: its Identity, and a nonce that no other
// process has.
type author struct{ identity, nonce string }

// A writing is one write of this process that names it as the holder.
type writing struct {
	base    string    // the resourceVersion that it replaces, "" if it creates the Lease
	renewed time.Time // its renewTime, which no other write of this process has
	id      string    // tells it from a write that a clone of this process sends at the same time
	sent    moment
	version string // the newest resourceVersion known to show it, "" if it has not been seen
}

// signature returns the WriterAnnotation's value for a write.
func (a author) signature(w writing) string {
	return a.nonce + " " + w.time() + " " + w.id
}

// time returns the write's renewTime as signatures have it.
func (w writing) time() string { return w.renewed.UTC().Format(metav1.RFC3339Micro) }

// wrote reports whether the Lease's record is that of the write.
func (a author) wrote(w writing, lease *coordinationv1.Lease) bool {
	if holder(lease) != a.identity || lease.Spec.RenewTime == nil || !lease.Spec.RenewTime.Time.Equal(w.renewed) {
		return false
	}
	// Another process with this Identity, which may be a clone with this nonce, may have written at
	// the same microsecond. A signature of another time says nothing about this record.
	signature := lease.Annotations[WriterAnnotation]
	return signature == a.signature(w) || !strings.Contains(signature, " "+w.time()+" ")
}

// holder returns the Lease's holder, "" if it was released or there is no Lease.
func holder(lease *coordinationv1.Lease) string {
	if lease == nil {
		return ""
	}
	return ptr.Deref(lease.Spec.HolderIdentity, "")
}

// inscribe puts the record that client-go wants to store into the Lease, and marks beside it. A
// write that names a holder is signed, unless the annotations have no room. What others wrote
// stays: labels, annotations, and the spec's fields for coordinated election.
func (a author) inscribe(lease *coordinationv1.Lease, r resourcelock.LeaderElectionRecord, w writing, m marks) {
	spec := &lease.Spec
	spec.HolderIdentity = ptr.To(r.HolderIdentity)
	spec.LeaseDurationSeconds = ptr.To(int32(r.LeaseDurationSeconds)) //nolint:gosec // at most MaxLeaseDuration
	spec.AcquireTime = micro(r.AcquireTime.Time)
	spec.RenewTime = &metav1.MicroTime{Time: w.renewed}
	// Somebody may have written the largest number there is. The API server would refuse one more
	// for ever.
	spec.LeaseTransitions = ptr.To(int32(min(max(r.LeaderTransitions, 0), math.MaxInt32))) //nolint:gosec // bounded here
	if r.HolderIdentity != "" {
		m.put(lease, a.signature(w))
		return
	}
	if m.last != nil { // by its time others know that it is about this release
		last := *m.last
		last.Ended = w.renewed
		m.last = &last
	}
	m.put(lease, "")
}

// micro returns t as the Lease stores it.
func micro(t time.Time) *metav1.MicroTime {
	return &metav1.MicroTime{Time: t.Truncate(time.Microsecond)}
}
