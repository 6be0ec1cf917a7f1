// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"strconv"
	"testing"
	"time"

	"github.com/kube-elector/elector/test/history"
)

// midnight is when a bubble begins.
var midnight = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// ends judges a write of the process that blanks the session of another one.
func (j *judge) ends(s *server, e history.Event) {
	if isShard(e.Lease) || e.Before.Holder == "" || e.After.Holder != "" || e.Before.Holder == j.identity(s) {
		return
	}
	renewed, err := strconv.ParseInt(e.Before.Renewed, 10, 64)
	age := midnight.Add(e.At).Sub(time.UnixMicro(renewed)) + j.limits.Notice // it may say some microseconds later
	if edit := j.edits[e.Lease]; edit.After != nil && edit.After.Renewed == e.Before.Renewed {
		age = e.At - edit.At + j.limits.Notice
	}
	if err != nil || age >= min(time.Duration(e.Before.Seconds)*time.Second, j.limits.MaxLease) {
		return // it has lapsed; nobody waits longer for what an administrator wrote
	}
	for _, other := range j.servers {
		if j.identity(other) == e.Before.Holder && other.reported <= e.At-j.limits.Grace {
			return
		}
	}
	j.wrong("respect", e.At, s.name, "ends the session of %s, which was not reported to be dead %v ago", e.Before.Holder, j.limits.Grace)
}

// TestSeedsOfShardsWithCrashDetection runs a few plans in most of which replicas have it.
func TestSeedsOfShardsWithCrashDetection(t *testing.T) {
	mix := Everything()
	mix.Detect = true
	for seed := range uint64(12) {
		for _, v := range runSet(t, newSetPlan(seed, mix)).Violations {
			t.Errorf("seed %d: %v", seed, v)
		}
	}
}
