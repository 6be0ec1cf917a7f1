// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"slices"
	"strconv"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

var me = Author{Identity: "me", Nonce: "mine", Annotation: "writer"}

// held returns a Lease that a candidate elsewhere holds for 40 s, renewed so many seconds after the beginning.
func held(holder string, renewed int) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{UID: "first"},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &holder, LeaseDurationSeconds: ptr.To[int32](40),
			AcquireTime: micro(time.Unix(0, 0)), RenewTime: micro(time.Unix(int64(renewed), 0)),
		},
	}
}

func blank(uid types.UID) *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{UID: uid}}
}

func with(lease *coordinationv1.Lease, change func(*coordinationv1.Lease)) *coordinationv1.Lease {
	change(lease)
	return lease
}

func testView() *View {
	return newView(Config{
		Self: me, LeaseDuration: own, Longest: longest,
		Note: func(Observation, *coordinationv1.Lease, Moment) any { return nil },
	})
}

func TestHowLongALeaseIsLeftAloneAfterWhatWasSeen(t *testing.T) {
	mine := held("me", 1)
	written := writing{renewTime: mine.Spec.RenewTime.Time, acquired: mine.Spec.AcquireTime.Time}
	edited := func(l *coordinationv1.Lease) {
		l.Spec.LeaseDurationSeconds, l.Spec.LeaseTransitions = ptr.To[int32](5), ptr.To[int32](7)
	}
	short := func(l *coordinationv1.Lease) { l.Spec.LeaseDurationSeconds = ptr.To[int32](10) }
	labelled := with(held("x", 1), func(l *coordinationv1.Lease) { l.Labels = map[string]string{"k": "v"} })
	other := with(held("x", 1), func(l *coordinationv1.Lease) { l.UID = "second" })
	type leases []*coordinationv1.Lease
	for name, c := range map[string]struct {
		seen     leases // one every second, nil for none
		since    int    // which of them the time counts from
		validity time.Duration
	}{
		"none":                             {leases{nil}, 0, 0},
		"blank":                            {leases{blank("first")}, 0, 0},
		"held":                             {leases{held("x", 1)}, 0, 40 * time.Second},
		"held, for no time recorded":       {leases{with(held("x", 1), func(l *coordinationv1.Lease) { l.Spec.LeaseDurationSeconds = nil })}, 0, own},
		"ours":                             {leases{mine}, 0, 0},
		"ours by name only":                {leases{held("me", 1)}, 0, 40 * time.Second},
		"renewed":                          {leases{held("x", 1), held("x", 2)}, 1, 40 * time.Second},
		"seen twice":                       {leases{held("x", 1), held("x", 1)}, 0, 40 * time.Second},
		"labels edited":                    {leases{held("x", 1), labelled}, 0, 40 * time.Second},
		"taken over":                       {leases{held("x", 1), held("y", 1)}, 1, 40 * time.Second},
		"released":                         {leases{held("x", 1), blank("first")}, 1, 0},
		"vanished":                         {leases{held("x", 1), nil}, 0, 40 * time.Second},
		"vanished, still gone":             {leases{held("x", 1), nil, nil}, 0, 40 * time.Second},
		"a blank one in its place":         {leases{held("x", 1), blank("second")}, 0, 40 * time.Second},
		"vanished, then a blank one":       {leases{held("x", 1), nil, blank("second")}, 0, 40 * time.Second},
		"vanished, a blank one, edited":    {leases{held("x", 1), nil, blank("second"), with(blank("second"), func(l *coordinationv1.Lease) { l.Labels = map[string]string{"k": "v"} })}, 0, 40 * time.Second},
		"another one with the same record": {leases{held("x", 1), other}, 1, 40 * time.Second},
		"vanished, then held":              {leases{held("x", 1), nil, held("y", 1)}, 2, 40 * time.Second},
		"vanished, then the same one":      {leases{held("x", 1), nil, held("x", 1)}, 2, 40 * time.Second},
		"released, vanished":               {leases{held("x", 1), blank("first"), nil}, 1, 0},
		"ours, vanished":                   {leases{mine, nil}, 0, 0},
		"none, then a blank one":           {leases{nil, blank("first")}, 0, 0},
		"edited":                           {leases{held("x", 1), with(held("x", 1), edited)}, 0, 40 * time.Second},
		"edited, then renewed":             {leases{held("x", 1), with(held("x", 1), edited), held("x", 2)}, 2, 40 * time.Second},
		"replaced by a shorter one":        {leases{held("x", 1), with(held("y", 1), short)}, 1, 39 * time.Second},
		"replaced, renewed":                {leases{held("x", 1), with(held("y", 1), short), with(held("y", 2), short)}, 2, 38 * time.Second},
		"replaced, vanished":               {leases{held("x", 1), with(held("y", 1), short), nil}, 1, 39 * time.Second},
		"replaced, released":               {leases{held("x", 1), with(held("y", 1), short), blank("first")}, 1, 0},
		"replaced by ours":                 {leases{held("x", 1), mine}, 1, 0},
		"a blank one in its place, edited": {leases{held("x", 1), blank("second"), with(blank("second"), edited)}, 0, 40 * time.Second},
		"ours, then an edit of it":         {leases{mine, with(held("me", 1), edited)}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var obs Observation
			for i, lease := range c.seen {
				d := time.Duration(i) * time.Second
				obs = obs.after(lease, slices.Contains(c.seen, mine) && me.wrote(written, lease), at(d, d), rules{own: own, longest: longest})
				if !obs.Known || obs.Lease != lease {
					t.Fatalf("after %v: known: %t, lease %v", d, obs.Known, obs.Lease)
				}
			}
			if obs.Validity != c.validity {
				t.Errorf("left alone for %v, want %v", obs.Validity, c.validity)
			}
			if since := obs.Changed.Mono; c.validity > 0 && since != time.Duration(c.since)*time.Second {
				t.Errorf("since %v, want %ds", since, c.since)
			}
		})
	}
}

// version returns a Lease as it was at a resourceVersion.
func version(v string) *coordinationv1.Lease {
	return with(held("x", 1), func(l *coordinationv1.Lease) { l.ResourceVersion = v })
}

// shows fails the test unless the view's Lease is of this version, "" for none.
func (v *View) shows(t *testing.T, version string) {
	t.Helper()
	obs, _ := v.Get()
	got := ""
	if obs.Lease != nil {
		got = obs.Lease.ResourceVersion
	}
	if got != version {
		t.Errorf("the view shows version %q, want %q", got, version)
	}
}

func TestGuarantee9AStaleEventIsNotBelieved(t *testing.T) {
	v := testView()
	if !v.Saw(version("99"), "99") || !v.Saw(version("100"), "100") {
		t.Error("a newer version was no news")
	}
	if v.Saw(version("99"), "99") { // as a number the smaller, as a text the larger
		t.Error("an older version was news")
	}
	v.shows(t, "100")
	if v.Saw(nil, "98") {
		t.Error("an older deletion was news")
	}
	v.shows(t, "100")
	if !v.Saw(nil, "101") {
		t.Error("a newer deletion was no news")
	}
	if v.Saw(version("100"), "100") {
		t.Error("what was before the deletion was news")
	}
	v.shows(t, "")
}

func TestGuarantee9AReadThatWasOvertakenIsNotBelieved(t *testing.T) {
	v := testView()
	v.Saw(version("5"), "5")
	mark := v.mark()
	v.Saw(version("7"), "7")
	if v.sawRead(version("6"), mark) || v.sawRead(nil, mark) {
		t.Error("news from before what was seen meanwhile")
	}
	v.shows(t, "7")
	if !v.sawRead(version("8"), mark) {
		t.Error("a newer version was no news, as it was overtaken by an older one")
	}
	v.shows(t, "8")
}

func TestAServerThatHasGoneBackIsBelieved(t *testing.T) {
	v := testView()
	v.Saw(version("100"), "100")
	if !v.sawRead(version("7"), v.mark()) {
		t.Error("what the server says now was no news")
	}
	v.shows(t, "7")
	if !v.Saw(version("8"), "8") {
		t.Error("what has happened since was no news")
	}
	v.shows(t, "8")
	if !v.sawRead(nil, v.mark()) {
		t.Error("that the Lease is gone was no news")
	}
	v.shows(t, "")
}

func TestAVersionThatIsNoNumberIsBelieved(t *testing.T) {
	v := testView()
	v.Saw(version("5"), "5")
	if !v.Saw(version("x"), "x") {
		t.Error("was no news")
	}
	v.shows(t, "x")
}

func TestWhoeverWaitsForNewsIsWokenByNewsOnly(t *testing.T) {
	v := testView()
	for i, step := range []struct {
		see  func() bool
		news bool
	}{
		{func() bool { return v.sawRead(nil, v.mark()) }, true}, // the first, even of nothing
		{func() bool { return v.sawRead(nil, v.mark()) }, false},
		{func() bool { return v.Saw(version("5"), "5") }, true},
		{func() bool { return v.Saw(version("5"), "5") }, false},
		{func() bool { return v.sawRead(version("5"), v.mark()) }, false},
		{func() bool { return v.Saw(version("4"), "4") }, false},
		{func() bool { return v.Saw(version("6"), "6") }, true},
		{func() bool { return v.Saw(nil, "7") }, true},
		{func() bool { return v.Saw(nil, "7") }, false},
	} {
		_, changed := v.Get()
		news := step.see()
		woken := false
		select {
		case <-changed:
			woken = true
		default:
		}
		if news != step.news || woken != step.news {
			t.Errorf("step %d: news: %t, woken: %t, want %t", i, news, woken, step.news)
		}
	}
}

func TestAWriteOfACloneAtTheSameMicrosecondIsNotOurs(t *testing.T) {
	sent := writing{renewTime: time.Unix(1, 0), acquired: time.Unix(0, 0), id: "first"}
	lease := held("me", 1)
	if !me.wrote(sent, lease) {
		t.Error("without an annotation the renewTime must do")
	}
	for signature, ours := range map[string]bool{
		me.signature(sent): true,
		me.signature(writing{renewTime: sent.renewTime, id: "second"}): false,
		me.signature(writing{renewTime: time.Unix(0, 0), id: "first"}): true, // left by an earlier write: the last was stripped of its own
		"garbage": true,
		Author{Identity: "me", Nonce: "other"}.signature(sent): false, // another process with this Identity
	} {
		lease.Annotations = map[string]string{me.Annotation: signature}
		if got := me.wrote(sent, lease); got != ours {
			t.Errorf("%q: ours: %t, want %t", signature, got, ours)
		}
	}
}

func TestARecordOfAnotherTermAtTheSameMicrosecondIsNotOurs(t *testing.T) {
	claim := writing{renewTime: time.Unix(1, 0), acquired: time.Unix(1, 0)}
	lease := held("me", 1) // another's renewal, since 0
	if me.wrote(claim, lease) {
		t.Error("a claim that failed is taken for the renewal that was faster")
	}
	claim.version = "1"
	if !me.wrote(claim, lease) {
		t.Error("a record that was ours is not ours any more when its acquireTime is edited")
	}
}

// BenchmarkObservation measures what a standby does with every event of its watch.
func BenchmarkObservation(b *testing.B) {
	versions := make([]string, 1<<16)
	for i := range versions {
		versions[i] = strconv.Itoa(1_000_000 + i)
	}
	leases := []*coordinationv1.Lease{held("x", 1), held("x", 2)} // one is the view's, the other ours
	v, i := testView(), 0
	b.ReportAllocs()
	for b.Loop() {
		if i == len(versions) {
			v, i = testView(), 0
		}
		lease := leases[i%2]
		lease.ResourceVersion = versions[i]
		if !v.Saw(lease, versions[i]) {
			b.Fatal("no news")
		}
		i++
	}
}
