// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"testing"
	"time"
)

func TestProcessesWithOneIdentityThatWriteAtOneInstantTellTheirRecordsApart(t *testing.T) {
	const tries = 20
	for name, stripped := range map[string]bool{"annotated": false, "annotations stripped": true} {
		t.Run(name, func(t *testing.T) {
			together := 0
			for range tries {
				inWorld(t, func(t *testing.T, w *world) {
					a, b := w.candidateOn(w.server.Client("a"), "same"), w.candidateOn(w.server.Client("b"), "same")
					if stripped {
						w.stripAnnotations()
					}
					c := w.candidate("c").start()
					c.leads(time.Second)
					a.start()
					b.start()
					time.Sleep(time.Minute)
					a.client.Latency(10*time.Millisecond, time.Second)
					b.client.Latency(20*time.Millisecond, 10*time.Millisecond)
					w.server.ResetRequests()
					c.stop() // Both see it within a microsecond, in a bubble to the nanosecond, and claim.
					time.Sleep(time.Minute)
					if n := w.server.Requests("b", "update"); n > 1 || !a.IsLeader() || b.IsLeader() {
						together++
					}
				})
			}
			// Without annotations, two random numbers of a thousand tell them apart.
			if stripped && together <= 1 {
				return
			}
			if together > 0 {
				t.Errorf("%d times of %d both lead, or one writes the other's record", together, tries)
			}
		})
	}
}
