// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"

	"go.uber.org/goleak"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestATakeoverIsEarlyUnlessTheProcessWasDeadOrItsLeaseReleasedOrLapsed(t *testing.T) {
	at := func(seconds int) time.Time {
		return time.Unix(1_800_000_000, 0).Add(time.Duration(seconds) * time.Second)
	}
	lease := func(holder string, acquired, renewed int, last string) *coordinationv1.Lease {
		return &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{elector.LastTermAnnotation: last}},
			Spec: coordinationv1.LeaseSpec{
				HolderIdentity: ptr.To(holder),
				AcquireTime:    ptr.To(metav1.NewMicroTime(at(acquired))), RenewTime: ptr.To(metav1.NewMicroTime(at(renewed))),
			},
		}
	}
	const releasedByA, releasedByC = `{"holder":"a","reason":"released"}`, `{"holder":"c","reason":"released"}`
	was := lease("a", 0, 10, "")
	for name, test := range map[string]struct {
		is    *coordinationv1.Lease
		death int
		want  string
	}{
		"while it lives":            {lease("b", 12, 12, ""), 0, early},
		"before its death":          {lease("b", 12, 12, ""), 13, early},
		"after its death":           {lease("b", 12, 12, ""), 11, taken},
		"after its lease":           {lease("b", 25, 25, ""), 0, lapsed},
		"after its release":         {lease("", 0, 12, ""), 0, released},
		"after a release unseen":    {lease("b", 12, 12, releasedByA), 0, released},
		"after another's, long ago": {lease("b", 12, 12, releasedByC), 0, early},
	} {
		deaths := make(chan time.Time, 1)
		if test.death > 0 {
			deaths <- at(test.death)
		}
		if got := verdict(was, test.is, deaths); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestFiguresAreTheMedianTheNinetyNinthPercentileAndTheMost(t *testing.T) {
	var samples []sample
	for i := range 100 {
		samples = append(samples, sample{Gap: time.Duration(100-i) * time.Millisecond}, sample{})
	}
	if got := figures(samples, func(s sample) time.Duration { return s.Gap }); got != "50ms, 99ms, 100ms" {
		t.Errorf("got %s", got)
	}
}
