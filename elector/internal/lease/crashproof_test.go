// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// byProcess returns a Lease as [held] does, that names the process which wrote it.
func byProcess(holder, process string, renewed int) *coordinationv1.Lease {
	return with(held(holder, renewed), func(l *coordinationv1.Lease) {
		l.Annotations = map[string]string{
			"process": Tied(process, holder),
			"writer":  "nonce " + l.Spec.RenewTime.UTC().Format(metav1.RFC3339Micro) + " id",
		}
	})
}

func TestHowLongALeaseIsLeftAloneWhenAProcessHasEnded(t *testing.T) {
	const grace, full = 5 * time.Second, 40 * time.Second
	unsigned := with(byProcess("x", "p", 1), func(l *coordinationv1.Lease) { l.Annotations["writer"] = "nonce 2020 id" })
	edited := with(byProcess("x", "p", 1), func(l *coordinationv1.Lease) { l.Annotations = nil })
	renamed := with(byProcess("x", "p", 1), func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("y") })
	type leases []*coordinationv1.Lease
	for name, c := range map[string]struct {
		before, after leases        // what was seen, one each second, before and after the process p has ended
		want          time.Duration // from then on, a second for each seen after that
	}{
		"its record":                   {leases{byProcess("x", "p", 1)}, nil, grace},
		"its record, renewed before":   {leases{byProcess("x", "p", 1), byProcess("x", "p", 2)}, nil, grace},
		"its record, edited":           {leases{byProcess("x", "p", 1)}, leases{edited}, grace - time.Second},
		"its record, deleted":          {leases{byProcess("x", "p", 1)}, leases{nil}, grace - time.Second},
		"renewed after":                {leases{byProcess("x", "p", 1)}, leases{byProcess("x", "p", 2)}, full},
		"renewed after, and edited":    {leases{byProcess("x", "p", 1)}, leases{byProcess("x", "p", 2), byProcess("x", "p", 2)}, full - time.Second},
		"another's record":             {leases{byProcess("x", "q", 1)}, nil, full},
		"another's record after":       {leases{byProcess("x", "p", 1)}, leases{byProcess("y", "q", 2)}, full},
		"another's record before":      {leases{byProcess("y", "q", 1), byProcess("x", "p", 2)}, nil, full - time.Second},
		"another's before, renewed":    {leases{byProcess("y", "q", 1), byProcess("x", "p", 2), byProcess("x", "p", 3)}, nil, full - 2*time.Second},
		"another's name in its record": {leases{renamed}, nil, full},
		"another's name in it after":   {leases{byProcess("x", "p", 1)}, leases{renamed}, full},
		"its record restored":          {leases{byProcess("x", "p", 1), byProcess("y", "q", 2), byProcess("x", "p", 1)}, nil, full - time.Second},
		"a release before":             {leases{byProcess("y", "q", 1), blank("first"), byProcess("x", "p", 2)}, nil, grace},
		"a record that is not signed":  {leases{unsigned}, nil, full},
		"a record that names nobody":   {leases{held("x", 1)}, nil, full},
		"a holder that is not the one": {leases{nil}, nil, 0},
	} {
		v := newView(Config{
			Self: me, LeaseDuration: own, Longest: longest, Process: "process",
			Note: func(Observation, *coordinationv1.Lease, Moment) any { return nil },
		})
		second := 0
		see := func(seen leases) {
			for _, lease := range seen {
				second++
				v.obs = v.obs.after(lease, false, at(time.Duration(second)*time.Second, time.Duration(second)*time.Second), v.rules)
			}
		}
		see(c.before)
		if v.Ended("p", "how", grace, time.Time{}) {
			v.obs.Ending.Seen = at(time.Duration(second)*time.Second, time.Duration(second)*time.Second)
		}
		see(c.after)
		now := time.Duration(second) * time.Second
		if got := v.obs.ClaimableIn(at(now, now)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestTheEndOfAFormerHolderFreesTheNextOnesLease(t *testing.T) {
	const grace = 5 * time.Second
	v := newView(Config{
		Self: me, LeaseDuration: own, Longest: longest, Process: "process",
		Note: func(Observation, *coordinationv1.Lease, Moment) any { return nil },
	})
	wantLeft := func(what string, want time.Duration) {
		t.Helper()
		if got := v.obs.ClaimableIn(Now()); got > want || got < want-time.Second {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	v.Saw(byProcess("x", "p", 1), "1")
	v.Saw(byProcess("y", "q", 2), "2") // took over from x, whose end is not known here yet
	v.Saw(byProcess("y", "q", 3), "3")
	if v.obs.Former() != "p" || !v.Ended("q", "how", 0, time.Time{}) {
		t.Errorf("%+v", v.obs)
	}
	wantLeft("while x may live", 40*time.Second)
	if !v.Ended("p", "how", grace, time.Time{}) || v.obs.Former() != "" || v.Ended("p", "how", 0, time.Time{}) {
		t.Errorf("%+v", v.obs)
	}
	wantLeft("when x has ended, too", grace)
}

func TestTheEndOfAProcessIsNewsOnce(t *testing.T) {
	v := newView(Config{
		Self: me, LeaseDuration: own, Longest: longest, Process: "process",
		Note: func(Observation, *coordinationv1.Lease, Moment) any { return nil },
	})
	v.Saw(byProcess("x", "p", 1), "1")
	_, changed := v.Get()
	if v.Ended("", "how", 0, time.Time{}) || v.Ended("q", "how", 0, time.Time{}) {
		t.Error("the end of another process is news")
	}
	if !v.Ended("p", "how", time.Hour, time.Time{}) || v.Ended("p", "how", time.Hour, time.Time{}) {
		t.Error("the end is no news, or is news twice")
	}
	select {
	case <-changed:
	default:
		t.Error("nobody is told")
	}
	obs, changed := v.Get()
	if obs.ClaimableIn(Now()) < 39*time.Second || obs.Process() != "p" {
		t.Errorf("%+v", obs)
	}
	if !v.Ended("p", "how", 0, time.Time{}) {
		t.Error("a shorter grace is no news")
	}
	select {
	case <-changed:
	default:
		t.Error("nobody is told of a shorter grace")
	}
	if obs, _ = v.Get(); obs.ClaimableIn(Now()) != 0 {
		t.Errorf("%+v", obs)
	}
}
