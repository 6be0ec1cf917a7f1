// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"

	"github.com/kube-elector/elector/test/history"
)

// leaves judges how long Start took to return, as its doc says.
func (j *judge) leaves(s *server, e history.Event) {
	l := j.limits
	due := s.told + j.plan.drainTimeout() + l.Allowance + l.RenewDeadline/2 + l.Tolerance
	frozen := slices.ContainsFunc(s.frozen, func(f span) bool { return f.to > s.told && f.from < due })
	if s.told < never && e.At > due && e.Note != errKilled.Error() && !frozen {
		j.wrong("leaves", e.At, s.name, "Start has returned %v after it was told to", e.At-s.told)
	}
}

// requests compares what a process has sent with the time it had.
func (j *judge) requests(s *server, e history.Event) {
	took := e.At - max(s.from, s.counted)
	s.counted = e.At
	objects := s.shards
	if s.detects {
		objects += 2 // Pods
	}
	allowed := float64(j.limits.RequestBurst+10*objects) + j.limits.RequestsPerTry*float64(took)/float64(j.limits.RetryPeriod)
	if float64(e.N) > allowed {
		j.wrong("requests", e.At, s.name, "%d requests in %v, %.0f at most", e.N, took, allowed)
	}
}
