// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A standby whose periods are shorter than those of the holder takes each wait for a renewal for silence at first.
func TestTheRateInALastingFaultDoesNotFollowTheHoldersRetryPeriod(t *testing.T) {
	for name, fault := range lastingFaults {
		for _, verbs := range faultySets {
			for _, started := range []string{"before", "after"} {
				t.Run(fmt.Sprintf("%s/%s/%s", name, verbs, started), func(t *testing.T) {
					inWorld(t, func(t *testing.T, w *world) {
						a := w.contained("a", atOnce)
						a.start()
						a.leads(time.Second)
						b := w.contained("b", atOnce, durations(3*time.Second, 2*time.Second, 500*time.Millisecond))
						if started == "before" {
							b.start()
							time.Sleep(time.Minute)
						}
						b.client.Intercept(faultOn{verbs, fault}.intercept)
						b.client.CutWatches()
						if started == "after" {
							b.start()
						}
						const minutes = 10
						time.Sleep(minutes * time.Minute)
						w.server.ResetRequests()
						time.Sleep(minutes * time.Minute)
						if n := w.server.Requests(b.id, ""); n > 4*20*minutes+1 {
							t.Errorf("%.1f requests in a minute, want %d", float64(n)/minutes, 4*20)
						}
					})
				})
			}
		}
	}
}

func TestGuarantee9CrashDetectionKeepsToTheModestRate(t *testing.T) {
	for name, fault := range lastingFaults {
		for _, verbs := range faultySets {
			t.Run(fmt.Sprintf("%s/%s", name, verbs), func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					a := w.contained("a", atOnce)
					a.start()
					a.leads(time.Second)
					b := w.contained("b", atOnce)
					log := b.logged(slog.LevelInfo)
					b.start()
					time.Sleep(time.Minute)
					b.client.Intercept(faultOn{verbs, fault}.intercept)
					b.client.CutWatches()
					limit := 20
					if name == "403" && verbs == "watch get write" {
						limit = 4
					}
					const minutes = 10
					time.Sleep(minutes * time.Minute)
					w.server.ResetRequests()
					lines := strings.Count(log.String(), "\n")
					time.Sleep(minutes * time.Minute)
					if n := w.server.Requests(b.id, ""); n > limit*minutes+1 {
						t.Errorf("%.1f requests in a minute, want %d", float64(n)/minutes, limit)
					}
					if n := strings.Count(log.String(), "\n") - lines; n > minutes {
						t.Errorf("%d lines in %d minutes", n, minutes)
					}
					b.client.Heal()
					time.Sleep(longestSlow + time.Minute + time.Second) // between two renewals
					a.ends()
					if took := b.leads(time.Minute); took > 2*DefaultRetryPeriod {
						t.Errorf("leads %v after the leader's end", took)
					}
				})
			})
		}
	}
}
