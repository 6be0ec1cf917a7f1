// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// recordedLease returns the Lease of an Elector that has renewed once, with what edit makes of it.
func recordedLease(edit func(*coordinationv1.Lease)) *coordinationv1.Lease {
	renewed := time.Date(2026, 11, 26, 12, 0, 2, 345678000, time.UTC)
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "lock", Namespace: "default", ResourceVersion: "107", Annotations: map[string]string{
			WriterAnnotation:            "nonce 2026-11-26T12:00:02.345678Z id",
			LeaderTokenAnnotation:       "101",
			LeaderAnnotationsAnnotation: "example.com/a,example.com/gone",
			LastTermAnnotation:          `{"holder":"a","token":"95","reason":"step-down","message":"m","ended":"2026-11-26T12:00:00Z"}`,
			StepDownAnnotation:          "101",
			ContainerAnnotation:         lease.Tied("ns/pod uid "+strings.Repeat("A", 26), "b"),
			"example.com/a":             "1",
			"example.com/others":        "2",
		}},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: ptr.To("b"), LeaseDurationSeconds: ptr.To[int32](15), LeaseTransitions: ptr.To[int32](3),
			AcquireTime: &metav1.MicroTime{Time: renewed.Add(-2 * time.Second)}, RenewTime: &metav1.MicroTime{Time: renewed},
		},
	}
	if edit != nil {
		edit(lease)
	}
	return lease
}

func TestReadLeaseSaysWhatTheHolderWrote(t *testing.T) {
	lease := recordedLease(nil)
	want := Record{
		Holder: "b", Acquired: lease.Spec.AcquireTime.Time, Renewed: lease.Spec.RenewTime.Time,
		Duration: 15 * time.Second, Transitions: 3, Elector: true, Token: "101", StepDown: "101",
		Pod:         types.NamespacedName{Namespace: "ns", Name: "pod"},
		Annotations: map[string]string{"example.com/a": "1"},
		LastTerm: &LastTerm{
			Holder: "a", Token: "95", Reason: EndSteppedDown, Message: "m", Ended: lease.Spec.AcquireTime.Truncate(time.Second),
		},
	}
	if got := ReadLease(lease); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

func TestReadLeaseTrustsOnlyWhatWasWrittenWithTheRecord(t *testing.T) {
	for name, edit := range map[string]func(*coordinationv1.Lease){
		"client-go has renewed": func(l *coordinationv1.Lease) {
			l.Spec.RenewTime = &metav1.MicroTime{Time: l.Spec.RenewTime.Add(time.Second)}
		},
		"client-go has released": func(l *coordinationv1.Lease) {
			l.Spec.HolderIdentity = ptr.To("")
			l.Spec.RenewTime = &metav1.MicroTime{Time: l.Spec.RenewTime.Add(time.Second)}
		},
		"blanked by hand":     func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil },
		"no renewTime":        func(l *coordinationv1.Lease) { l.Spec.RenewTime = nil },
		"annotations removed": func(l *coordinationv1.Lease) { l.Annotations = nil },
		"nothing in it":       func(l *coordinationv1.Lease) { l.Spec = coordinationv1.LeaseSpec{} },
	} {
		t.Run(name, func(t *testing.T) {
			r := ReadLease(recordedLease(edit))
			if r.Elector || r.Token != "" || r.StepDown != "" || r.Annotations != nil || r.LastTerm != nil {
				t.Errorf("believes %+v", r)
			}
		})
	}
	if r := ReadLease(nil); !reflect.DeepEqual(r, Record{}) {
		t.Errorf("of no Lease: %+v", r)
	}
}

func TestReadLeaseKnowsTheTokenOrSaysThatItDoesNot(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(annotations map[string]string)
		want Token
	}{
		"renewed":                  {func(map[string]string) {}, "101"},
		"just claimed":             {func(a map[string]string) { a[LeaderTokenAnnotation] = "" }, "107"},
		"removed":                  {func(a map[string]string) { delete(a, LeaderTokenAnnotation) }, ""},
		"no resourceVersion":       {func(a map[string]string) { a[LeaderTokenAnnotation] = "12x" }, ""},
		"of another cluster":       {func(a map[string]string) { a[LeaderTokenAnnotation] = "108" }, ""},
		"with odd characters":      {func(a map[string]string) { a[LeaderTokenAnnotation] = "\x00\n1" }, ""},
		"no signature":             {func(a map[string]string) { delete(a, WriterAnnotation) }, ""},
		"signature of another one": {func(a map[string]string) { a[WriterAnnotation] = "x 2026-11-26T12:00:01.000000Z y" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			lease := recordedLease(nil)
			annotations := maps.Clone(lease.Annotations)
			test.edit(annotations)
			lease.Annotations = annotations
			if got := ReadLease(lease).Token; got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestReadLeaseSaysHowTheReleasedTermEnded(t *testing.T) {
	r := ReadLease(recordedLease(func(l *coordinationv1.Lease) {
		l.Spec.HolderIdentity = ptr.To("")
		l.Annotations = map[string]string{
			LastTermAnnotation: `{"holder":"b","token":"101","reason":"released","ended":"` + l.Spec.RenewTime.UTC().Format(time.RFC3339Nano) + `"}`,
		}
	}))
	if r.Elector || r.Token != "" || r.LastTerm == nil || r.LastTerm.Holder != "b" || r.LastTerm.Reason != EndReleased {
		t.Errorf("got %+v", r)
	}
}
