// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kube-elector/elector/elector"
)

// holding is one term of one shard, from its claim to its release.
type holding struct {
	shard int
	lease *coordinationv1.Lease // the claim; nil where no election is Enabled
	part  *elector.Part

	// The keeper's goroutine alone uses these.
	ending  time.Time // when its end began; zero before
	stopped bool      // its work has returned
	lost    bool      // its Lease is not ours any more, so there is nothing to release
	lostAt  time.Time // when that was noticed
	seen    time.Time // its Lease was there then, or later
	looking bool      // its Lease is being looked for
	again   time.Time // no look before: the latest has failed

	failure error // why a callback did not return, nil if it did; read it once it has stopped
}

// run calls the callbacks, one after the other, which is what keeps them in pairs
// and in order. It returns when the shard's work has ended.
func (h *holding) run(callbacks Callbacks) {
	returned := false
	defer func() {
		if v := recover(); v != nil {
			err, ok := v.(error)
			if !ok {
				err = fmt.Errorf("%v", v)
			}
			h.failure = fmt.Errorf("shard %d: panic in a callback: %w\n\n%s", h.shard, err, debug.Stack())
		} else if !returned {
			h.failure = errors.New("a callback ended its goroutine (runtime.Goexit)")
		}
		h.part.Close()
	}()
	ctx := h.part.Context()
	if f := callbacks.OnStarted; f != nil {
		f(ctx, h.shard)
	}
	<-ctx.Done()
	h.part.Close() // Held must not list it in OnStopped
	if f := callbacks.OnStopped; f != nil {
		f(h.shard)
	}
	h.part.Wait()
	returned = true
}

// end tells the work to stop. The shard's term lasts until it has.
func (h *holding) end(cause error) {
	if h.ending.IsZero() {
		h.ending = time.Now()
		h.part.Cancel(cause)
	}
}

// lose ends the shard's term at once.
func (h *holding) lose(cause error) {
	h.end(cause)
	if !h.lost {
		h.lost, h.lostAt = true, time.Now()
	}
	h.part.Lose(cause)
}
