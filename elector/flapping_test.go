// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/leasetest"
)

func TestATroubleThatComesAndGoesIsOneTrouble(t *testing.T) {
	for name, cycle := range map[string]struct{ fails, works time.Duration }{
		"mostly works":  {4 * time.Second, 26 * time.Second},
		"mostly fails":  {50 * time.Second, 4 * time.Second},
		"now this":      {25 * time.Second, 19 * time.Second},
		"at every turn": {2 * time.Second, 2 * time.Second},
	} {
		var tr trouble
		lines := 0
		for at := time.Duration(0); at < reminder; at += 2 * time.Second {
			m := lease.Moment{Mono: at}
			var logged bool
			if at%(cycle.fails+cycle.works) < cycle.fails {
				logged = tr.failed(cannotRead, errRefused, m)
			} else {
				_, logged = tr.worked(cannotRead, m)
			}
			if logged {
				lines++
			}
		}
		if lines > 4 {
			t.Errorf("%s: %d lines in %v", name, lines, reminder)
		}
		if _, told := tr.worked(cannotRead, lease.Moment{Mono: reminder}); told {
			t.Errorf("%s: over at once", name)
		}
		if _, told := tr.worked(cannotRead, lease.Moment{Mono: 2 * reminder}); told != (lines%2 == 1) {
			t.Errorf("%s: after %d lines, its end is logged: %t", name, lines, told)
		}
	}
}

func TestRequestsThatFailBesideAHealthyWatchAreOneTrouble(t *testing.T) {
	for _, verbs := range []string{"get", "get write"} {
		for name, err := range map[string]error{
			"500": apierrors.NewInternalError(errors.New("no")), "429": apierrors.NewTooManyRequests("no", 50),
		} {
			t.Run(verbs+" "+name, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					a, b, log := w.underFault("standby", faultOn{verbs, leasetest.Fault{Err: err}})
					a.client.Partition() // and its Lease lapses
					time.Sleep(reminder) // in which ten bookmarks come
					if lines := saying(string(cannotRead), log.lines(t)); len(lines) != 1 {
						t.Errorf("%d lines, want one:\n%s", len(lines), log)
					}
					b.client.Heal()
					b.leads(lease.LongestRetryAfter)
					if lines := saying(over[cannotRead], log.lines(t)); len(lines) != 1 {
						t.Errorf("its end is logged %d times:\n%s", len(lines), log)
					}
				})
			})
		}
	}
}
