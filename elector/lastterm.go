// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// A LastTerm says how a term ended. Who releases the Lease writes it with the release. If nobody did, the next leader
// writes with its claim what it has seen.
type LastTerm struct {
	// Holder is the Identity of the term's leader.
	Holder string `json:"holder"`
	// Token is the term's token, "" if it is not known.
	Token Token `json:"token,omitempty"`
	// Reason is why the term ended.
	Reason EndReason `json:"reason"`
	// Message says more, for people. It may be empty.
	Message string `json:"message,omitempty"`
	// Ended is when the Lease was released or, by the next leader's clock, when the end was seen.
	Ended time.Time `json:"ended"`
}

// An EndReason is why a term ended, in a word. Programs should expect others, too.
type EndReason string

// Why a term ended.
const (
	// EndReleased is a leader that was stopped and has released the Lease.
	EndReleased EndReason = "released"
	// EndSteppedDown is a leader that released the Lease because StepDown was called, or asked for by
	// [StepDownAnnotation].
	EndSteppedDown EndReason = "step-down"
	// EndCrashed is a leader whose container has ended without a release, as [CrashDetection] has found.
	EndCrashed EndReason = "crashed"
	// EndLapsed is a leader that did not renew the Lease in time: it has crashed, or could not reach the API server, or
	// was stopped and did not release.
	EndLapsed EndReason = "lapsed"
	// EndDeleted is a leader whose Lease was deleted.
	EndDeleted EndReason = "deleted"
	// EndTakenOver is a leader whose record was replaced by another while it was valid, or whose name was removed from it.
	EndTakenOver EndReason = "taken-over"
)

// encode returns the LastTermAnnotation's value, whose length is bounded.
func (l LastTerm) encode() string {
	l.Holder, l.Message = clip(l.Holder, maxIdentity), clip(l.Message, maxMessage)
	l.Token, l.Reason = Token(clip(string(l.Token), 32)), EndReason(clip(string(l.Reason), 32))
	l.Ended = l.Ended.UTC()
	text, err := json.Marshal(l)
	if err != nil {
		return "" // a time that no JSON can have, from a Lease that somebody edited
	}
	return string(text)
}

// maxMessage is how many bytes a LastTerm's Message has at most.
const maxMessage = 256

// clip returns s without what is beyond n bytes.
func clip(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }

// endSeen returns how the last term ended when stored, or nil for none, is seen at m after o, as a *LastTerm. It is nil
// while somebody holds the Lease, and when that is not known.
func endSeen(o lease.Observation, stored *coordinationv1.Lease, m lease.Moment) any {
	if lease.Holder(stored) != "" {
		return nil
	}
	if said := ReadLease(stored).LastTerm; said != nil {
		return said
	}
	if o.Holder() == "" {
		return o.Note
	}
	end := &LastTerm{Holder: o.Holder(), Token: ReadLease(o.Lease).Token, Ended: m.Wall}
	switch {
	case o.Ending != nil:
		end.crashed(o.Ending)
	case !o.Ours && o.ClaimableIn(m) == 0:
		end.Reason = EndLapsed
	case stored == nil || stored.UID != o.Lease.UID:
		end.Reason, end.Message = EndDeleted, "the Lease was deleted"
	case lease.Signed(o.Lease, WriterAnnotation): // an Elector would have said why
		end.Reason, end.Message = EndTakenOver, "the holder was removed from the Lease"
	default:
		end.Reason = EndReleased
	}
	return end
}

// lastTerm returns how the term before a claim of base ended, nil if that is not known.
func (e *Elector) lastTerm(base lease.Observation) *LastTerm {
	if base.Holder() == "" {
		last, _ := base.Note.(*LastTerm)
		return last
	}
	m := lease.Now()
	end := &LastTerm{Holder: base.Holder(), Token: ReadLease(base.Lease).Token, Reason: EndLapsed, Ended: m.Wall}
	switch {
	case base.Ending != nil:
		end.crashed(base.Ending)
	case !base.Ours:
		end.Message = fmt.Sprintf("not renewed for %v", m.StandbySince(base.Changed).Round(time.Second))
	case e.cause == nil:
		end.Message = "a claim whose reply was lost"
	case voluntary(e.cause):
		end.Message = e.cause.Error() + ", but the Lease was not released"
	default:
		end.Reason, end.Message = endReason(e.cause), e.cause.Error()
	}
	return end
}

// crashed takes in that the leader's container has ended.
func (l *LastTerm) crashed(end *lease.Ending) {
	l.Reason, l.Message, l.Ended = EndCrashed, "its container has ended: "+end.How, end.Seen.Wall
}

// ownEnd returns how the term of this process ended whose record is released: t or, between terms, the last one.
func (e *Elector) ownEnd(ctx context.Context, t *term) LastTerm {
	end := LastTerm{Holder: e.config.Identity, Reason: EndReleased}
	if t != nil {
		end.Token = t.Token
	}
	switch {
	case e.cause == nil:
		end.Message = "its work has not begun"
	case !voluntary(e.cause):
		end.Reason, end.Message = endReason(e.cause), e.cause.Error()
	case errors.Is(e.cause, ErrSteppedDown):
		end.Reason = EndSteppedDown
		if t != nil && t.asked.Load() {
			end.Message = "asked for by an annotation on the Lease"
		}
	default: // a signal, for instance
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			end.Message = cause.Error()
		}
	}
	return end
}

// endReason returns the reason of an involuntary end.
func endReason(cause error) EndReason {
	switch {
	case errors.Is(cause, ErrTakenOver):
		return EndTakenOver
	case errors.Is(cause, ErrLeaseDeleted):
		return EndDeleted
	}
	return EndLapsed
}
