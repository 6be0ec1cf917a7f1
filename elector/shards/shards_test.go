// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"testing"
	"time"
)

func TestReplicasShareTheShards(t *testing.T) {
	inWorld(t, 16, func(w *world) {
		a := w.member("a").start()
		took := w.settled(time.Second, a)
		t.Logf("first replica: %v", took)
		b := w.member("b").start()
		moves := w.movesIn(func() { took = w.settled(time.Second, a, b) })
		t.Logf("second: %v, %d moves", took, moves)
		c := w.member("c").start()
		moves = w.movesIn(func() { took = w.settled(time.Second, a, b, c) })
		t.Logf("third: %v, %d moves", took, moves)
		b.stop()
		moves = w.movesIn(func() { took = w.settled(time.Second, a, c) })
		t.Logf("one leaves: %v, %d moves", took, moves)
		if err := b.result(time.Second); err != nil {
			t.Error(err)
		}
		a.crash()
		moves = w.movesIn(func() { took = w.settled(20*time.Second, c) })
		t.Logf("one crashes: %v, %d moves", took, moves)
	})
}
