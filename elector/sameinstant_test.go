// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"testing"
	"time"
)

func TestProcessesWithOneIdentityThatWriteAtOneInstantTellTheirRecordsApart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.candidateOn(w.server.Client("a"), "same"), w.candidateOn(w.server.Client("b"), "same")
		a.client.Latency(10*time.Millisecond, 10*time.Millisecond)
		b.client.Latency(20*time.Millisecond, 20*time.Millisecond)
		// Both start at one instant. Within a microsecond, that is, and in a bubble to the nanosecond.
		a.start()
		b.start()
		time.Sleep(time.Minute)
		if n := w.server.Requests("b", "update"); n > 0 || !a.IsLeader() || b.IsLeader() {
			t.Errorf("a leads: %t; b leads: %t, and has sent %d updates\n%s", a.IsLeader(), b.IsLeader(), n, w.log)
		}
	})
}
