// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// draw returns a Lease of strings and times, some of which JSON cannot express.
func draw(r *rand.Rand) *coordinationv1.Lease {
	text := func() string { return []string{"", "me", "\x00 \n", "ünï", "a\xff", "\xc3"}[r.IntN(6)] }
	when := func() *metav1.MicroTime {
		if r.IntN(3) == 0 {
			return nil
		}
		years := []int{-5, 0, 1, 1, 2026, 2026, 9999, 10_000}
		return &metav1.MicroTime{Time: time.Date(years[r.IntN(len(years))], 1, 1, 0, 0, 0, r.IntN(2)*1234, time.UTC)}
	}
	in := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: text(), Namespace: "ns"}}
	in.Spec.AcquireTime, in.Spec.RenewTime = when(), when()
	if r.IntN(2) == 0 {
		in.Spec.HolderIdentity, in.Spec.LeaseDurationSeconds = ptr.To(text()), ptr.To(int32(r.IntN(3)))
	}
	for _, m := range []*map[string]string{&in.Labels, &in.Annotations} {
		if r.IntN(2) == 0 {
			*m = map[string]string{text(): text(), "x": ""}
		}
	}
	if r.IntN(8) == 0 {
		in.Finalizers, in.Spec.PreferredHolder = []string{text()}, ptr.To(text())
	}
	return in
}

func TestALeaseThatSurvivesJSONIsWhatJSONMakesOfIt(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // Not a secret, and the same every time.
	survived, refused := 0, 0
	for range 5000 {
		in := draw(r)
		want, wantErr := encoded(in)
		got, err := throughJSON(in.DeepCopy())
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%+v: error %v, want %v", in, err, wantErr)
		}
		if err != nil {
			refused++
			continue
		}
		if survivesJSON(in) {
			survived++
		}
		clean(got, in)
		clean(want, in)
		if !equality.Semantic.DeepEqual(got, want) {
			t.Fatalf("%+v\nbecame %+v\nwant   %+v", in, got, want)
		}
	}
	if survived < 100 || refused < 100 {
		t.Errorf("%d Leases survived and %d were refused, want hundreds of each", survived, refused)
	}
}

func TestTheAdministratorStoresNothingThatAnAPIServerCouldNot(t *testing.T) {
	server := NewServer()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a"}}
	lease.Spec.HolderIdentity = ptr.To("a\xff")
	lease.Spec.RenewTime = &metav1.MicroTime{Time: time.Unix(1, 1234).UTC()}
	lease.Spec.AcquireTime = &metav1.MicroTime{}
	stored := server.Put(lease).Spec
	if *stored.HolderIdentity != "a\ufffd" || stored.RenewTime.Nanosecond() != 1000 || stored.AcquireTime != nil {
		t.Errorf("stored %+v, want U+FFFD, whole microseconds and no acquireTime", stored)
	}
	edited := server.Edit("ns", "a", func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("\xff") })
	if got := *edited.Spec.HolderIdentity; got != "\ufffd" {
		t.Errorf("edited to holder %q, want U+FFFD", got)
	}
	defer func() {
		text, _ := recover().(string)
		if !strings.Contains(text, "cannot be stored as JSON") || *server.Get("ns", "a").Spec.HolderIdentity != "\ufffd" {
			t.Errorf("Put panicked with %q, want the reason, and the Lease left alone", text)
		}
	}()
	lease.Spec.RenewTime = &metav1.MicroTime{Time: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}
	server.Put(lease)
}

func TestWhatAdmissionMakesOfALeaseMustBeStorable(t *testing.T) {
	server := NewServer()
	server.Admit(func(_ string, lease *coordinationv1.Lease) error {
		lease.Spec.RenewTime = &metav1.MicroTime{Time: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}
		return nil
	})
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a"}}
	_, err := server.Client("a").CoordinationV1().Leases("ns").Create(t.Context(), lease, metav1.CreateOptions{})
	if !apierrors.IsInternalError(err) || server.Get("ns", "a") != nil {
		t.Errorf("got %v, want an internal error and nothing stored", err)
	}
}
