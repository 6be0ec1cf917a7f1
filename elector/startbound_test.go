// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kube-elector/elector/elector/leasetest"
)

// The bound must hold at whatever moment the context ends, and however short DrainTimeout is.
func TestStartReturnsWithinASecondOfDrainTimeoutWhateverFails(t *testing.T) {
	faults := map[string]leasetest.Fault{
		"hangs":                 {Hang: true},
		"hangs, also cancelled": {Hang: true, IgnoreContext: true},
		"no reply":              {LoseReply: true},
		"slow":                  {ReplyDelay: 240 * time.Millisecond},
		"slower":                {ReplyDelay: 480 * time.Millisecond},
	}
	for name, fault := range faults {
		for _, after := range []time.Duration{time.Millisecond, 400 * time.Millisecond, 16 * time.Second} {
			for _, led := range []bool{false, true} {
				for _, drain := range []time.Duration{MinDuration, time.Second} {
					t.Run(fmt.Sprintf("%s/led %t/%v/%v", name, led, after, drain), func(t *testing.T) {
						inWorld(t, func(t *testing.T, w *world) {
							a := w.candidate("a", func(c *Config) { c.DrainTimeout = drain })
							if led {
								a.start().leads(time.Second)
								time.Sleep(time.Minute)
							}
							var late atomic.Bool
							a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
								if late.Load() { // what comes after the last moment hangs in any case
									return leasetest.Fault{Hang: true, IgnoreContext: true}
								}
								return fault
							})
							if !led {
								a.start()
							}
							time.Sleep(after)
							at := time.Now()
							time.AfterFunc(drain+100*time.Millisecond, func() { late.Store(true) })
							a.stop()
							_ = a.result(time.Minute)
							if took := time.Since(at); took > drain+time.Second {
								t.Errorf("Start returned after %v", took)
							}
							a.client.Heal()
						})
					})
				}
			}
		}
	}
}
