// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func creating() []Test {
	return []Test{
		claim("CreateGivesIdentityAndVersion", func(a api) {
			lease := a.create(held("a", "me"))
			if lease.UID == "" || lease.CreationTimestamp.IsZero() || a.version(lease) == 0 || lease.Namespace != a.namespace {
				a.Errorf("created %+v, want namespace, UID, creationTimestamp and resourceVersion", lease.ObjectMeta)
			}
			if got := a.get("a"); got.UID != lease.UID || got.ResourceVersion != lease.ResourceVersion || holder(got) != "me" {
				a.Errorf("read back %+v, want what was created: %+v", got, lease)
			}
		}),
		claim("CreateIgnoresAUIDOfItsOwn", func(a api) {
			lease := named("a")
			lease.UID, lease.CreationTimestamp = "mine", metav1.Unix(1, 0)
			if got := a.create(lease); got.UID == "mine" || got.CreationTimestamp.Equal(&lease.CreationTimestamp) {
				a.Errorf("created with UID %s of %v, want the server's own", got.UID, got.CreationTimestamp)
			}
		}),
		claim("CreateOfAnExistingLeaseIsRefused", func(a api) {
			a.create(held("a", "me"))
			lease, err := a.Create(a.ctx, held("a", "you"), metav1.CreateOptions{})
			a.refused(lease, err, metav1.StatusReasonAlreadyExists)
			if got := holder(a.get("a")); got != "me" {
				a.Errorf("the Lease is now held by %s, want me", got)
			}
		}),
		claim("OfManyCreatesOneWins", func(a api) {
			var wins sync.Map
			a.race(8, func(writer string) {
				_, err := a.Create(a.ctx, held("a", writer), metav1.CreateOptions{})
				switch {
				case err == nil:
					wins.Store(writer, true)
				case !apierrors.IsAlreadyExists(err):
					a.Errorf("%s got %v, want success or AlreadyExists", writer, err)
				}
			})
			a.onlyWinner(&wins, a.get("a"))
		}),
		claim("CreateWithAResourceVersionIsRefused", func(a api) {
			lease := named("a")
			lease.ResourceVersion = "1"
			got, err := a.Create(a.ctx, lease, metav1.CreateOptions{})
			a.refused(got, err, metav1.StatusReasonUnknown)
		}),
		claim("CreateForAnotherNamespaceIsRefused", func(a api) {
			lease := named("a")
			lease.Namespace = "another"
			got, err := a.Create(a.ctx, lease, metav1.CreateOptions{})
			a.refused(got, err, metav1.StatusReasonBadRequest)
		}),
		claim("CreateMakesANameFromGenerateName", func(a api) {
			lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{GenerateName: "some-"}}
			one, two := a.create(lease), a.create(lease)
			if !strings.HasPrefix(one.Name, "some-") || len(one.Name) != len("some-")+5 || one.Name == two.Name {
				a.Errorf("made the names %q and %q, want two names of some- and five more letters", one.Name, two.Name)
			}
		}),
		claim("AnEmptyHolderIsNotTheSameAsNone", func(a api) {
			lease := held("a", "")
			if got := a.create(lease).Spec.HolderIdentity; got == nil || *got != "" {
				a.Errorf("holderIdentity %v, want an empty string", got)
			}
			lease = a.get("a")
			lease.Spec.HolderIdentity = nil
			if got := a.update(lease); got.Spec.HolderIdentity != nil {
				a.Errorf("holderIdentity %q, want nil", *got.Spec.HolderIdentity)
			}
		}),
		claim("TimesAreKeptToTheMicrosecond", func(a api) {
			lease := held("a", "me")
			lease.Spec.RenewTime = &metav1.MicroTime{Time: time.Unix(1_700_000_000, 123_456_789)}
			created := a.create(lease)
			for _, got := range []*coordinationv1.Lease{created, a.get("a")} {
				if want := time.Unix(1_700_000_000, 123_456_000); !got.Spec.RenewTime.Time.Equal(want) {
					a.Errorf("renewTime %v, want %v", got.Spec.RenewTime, want)
				}
			}
		}),
		claim("EmptyMapsComeBackAsNil", func(a api) {
			lease := named("a")
			lease.Labels, lease.Annotations, lease.Finalizers = map[string]string{}, map[string]string{}, []string{}
			got := a.create(lease)
			if got.Labels != nil || got.Annotations != nil || got.Finalizers != nil || got.Kind != "" {
				a.Errorf("created %+v, want nil maps and no kind", got)
			}
		}),
		claim("CoordinatedElectionIsOff", func(a api) {
			lease := held("a", "me")
			lease.Spec.Strategy, lease.Spec.PreferredHolder = ptr.To(coordinationv1.OldestEmulationVersion), ptr.To("you")
			got := a.create(lease)
			if got.Spec.Strategy != nil || got.Spec.PreferredHolder != nil {
				a.Errorf("created %+v, want strategy and preferredHolder dropped", got.Spec)
			}
		}),
		claim("CreateChecksWhatItIsGiven", func(a api) {
			for rule, breakIt := range rules() {
				lease := held("a", "me")
				breakIt(lease)
				got, err := a.Create(a.ctx, lease, metav1.CreateOptions{})
				a.Log(rule)
				a.refused(got, err, metav1.StatusReasonInvalid)
			}
			lease := held("Not_A_Name", "me")
			got, err := a.Create(a.ctx, lease, metav1.CreateOptions{})
			a.refused(got, err, metav1.StatusReasonInvalid)
			got, err = a.Create(a.ctx, named(""), metav1.CreateOptions{})
			a.refused(got, err, metav1.StatusReasonInvalid)
		}),
	}
}

// rules returns ways to break a Lease, by the rule they break.
func rules() map[string]func(*coordinationv1.Lease) {
	return map[string]func(*coordinationv1.Lease){
		"a duration is not 0":             func(l *coordinationv1.Lease) { l.Spec.LeaseDurationSeconds = ptr.To(int32(0)) },
		"a duration is not negative":      func(l *coordinationv1.Lease) { l.Spec.LeaseDurationSeconds = ptr.To(int32(-1)) },
		"transitions are not negative":    func(l *coordinationv1.Lease) { l.Spec.LeaseTransitions = ptr.To(int32(-1)) },
		"a label's key has no blanks":     func(l *coordinationv1.Lease) { l.Labels = map[string]string{"a b": ""} },
		"annotations end at 256 KiB":      func(l *coordinationv1.Lease) { l.Annotations = map[string]string{"a": strings.Repeat("x", 256<<10)} },
		"a finalizer is a qualified name": func(l *coordinationv1.Lease) { l.Finalizers = []string{"a b"} },
	}
}

// race lets writers w0, w1, … go at once and waits for them.
func (a api) race(writers int, write func(writer string)) {
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			<-start
			write("w" + string(rune('0'+i)))
		})
	}
	close(start)
	all.Wait()
}

func (a api) onlyWinner(wins *sync.Map, lease *coordinationv1.Lease) {
	a.Helper()
	var winners []string
	wins.Range(func(writer, _ any) bool {
		winners = append(winners, writer.(string))
		return true
	})
	if len(winners) != 1 || holder(lease) != winners[0] {
		a.Errorf("%v won and the Lease is held by %s, want one winner and him as holder", winners, holder(lease))
	}
}
