// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"sync"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

func updating() []Test {
	return []Test{
		claim("UpdateRaisesTheVersion", func(a api) {
			first := a.create(held("a", "me"))
			second := a.update(by(first, "you"))
			a.newer(first, second)
			if got := a.get("a"); holder(got) != "you" || got.ResourceVersion != second.ResourceVersion || got.UID != first.UID {
				a.Errorf("read back %+v, want what the update returned: %+v", got, second)
			}
		}),
		claim("UpdateThatChangesNothingKeepsTheVersion", func(a api) {
			lease := a.create(held("a", "me"))
			if got := a.update(lease); got.ResourceVersion != lease.ResourceVersion {
				a.Errorf("resourceVersion went from %s to %s, want it kept", lease.ResourceVersion, got.ResourceVersion)
			}
		}),
		claim("UpdateFromAStaleVersionConflicts", func(a api) {
			stale := a.create(held("a", "me"))
			a.update(by(stale, "you"))
			lease, err := a.Update(a.ctx, by(stale, "me again"), metav1.UpdateOptions{})
			a.refused(lease, err, metav1.StatusReasonConflict)
			// Even one that would change nothing, were it not stale.
			lease, err = a.Update(a.ctx, by(stale, "you"), metav1.UpdateOptions{})
			a.refused(lease, err, metav1.StatusReasonConflict)
			if got := holder(a.get("a")); got != "you" {
				a.Errorf("the Lease is now held by %s, want you", got)
			}
		}),
		claim("UpdateFromAnInventedVersionConflicts", func(a api) {
			lease := a.create(held("a", "me"))
			lease.ResourceVersion = fmt.Sprint(a.version(lease) + 1_000_000)
			got, err := a.Update(a.ctx, lease, metav1.UpdateOptions{})
			a.refused(got, err, metav1.StatusReasonConflict)
			lease.ResourceVersion = "no number"
			got, err = a.Update(a.ctx, lease, metav1.UpdateOptions{})
			a.refused(got, err, metav1.StatusReasonUnknown)
		}),
		claim("UpdateWithoutAVersionIsRefused", func(a api) {
			lease := a.create(held("a", "me"))
			for _, none := range []string{"", "0"} {
				lease.ResourceVersion = none
				got, err := a.Update(a.ctx, by(lease, "you"), metav1.UpdateOptions{})
				a.refused(got, err, metav1.StatusReasonInvalid)
			}
		}),
		claim("UpdateOfAnotherUIDConflicts", func(a api) {
			lease := a.create(held("a", "me"))
			lease.UID = types.UID("another")
			got, err := a.Update(a.ctx, lease, metav1.UpdateOptions{})
			a.refused(got, err, metav1.StatusReasonConflict)
		}),
		claim("UpdateWithoutAUIDKeepsIt", func(a api) {
			first := a.create(held("a", "me"))
			next := by(first, "you")
			next.UID = ""
			if got := a.update(next); got.UID != first.UID {
				a.Errorf("UID went from %s to %s, want it kept", first.UID, got.UID)
			}
		}),
		claim("UpdateOfADeletedLeaseConflicts", func(a api) {
			lease := a.create(held("a", "me"))
			a.delete("a")
			got, err := a.Update(a.ctx, by(lease, "me"), metav1.UpdateOptions{})
			a.refused(got, err, metav1.StatusReasonConflict)
			if got, err := a.Get(a.ctx, "a", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				a.Errorf("got %+v, %v, want the Lease to stay deleted", got, err)
			}
		}),
		claim("UpdateOfADeletedLeaseWithoutItsUIDCreatesIt", func(a api) {
			old := a.create(held("a", "me"))
			a.delete("a")
			lease := by(old, "you")
			lease.UID = ""
			got := a.update(lease)
			a.newer(old, got)
			if got.UID == old.UID || got.UID == "" {
				a.Errorf("UID went from %q to %q, want another", old.UID, got.UID)
			}
		}),
		claim("UpdateKeepsTheCreationTimestamp", func(a api) {
			lease := a.create(held("a", "me"))
			next := by(lease, "you")
			next.CreationTimestamp = metav1.Unix(1, 0)
			if got := a.update(next); !got.CreationTimestamp.Equal(&lease.CreationTimestamp) {
				a.Errorf("creationTimestamp went from %v to %v, want it kept", lease.CreationTimestamp, got.CreationTimestamp)
			}
		}),
		claim("UpdateChecksWhatItIsGiven", func(a api) {
			lease := a.create(held("a", "me"))
			for rule, breakIt := range rules() {
				next := lease.DeepCopy()
				breakIt(next)
				got, err := a.Update(a.ctx, next, metav1.UpdateOptions{})
				a.Log(rule)
				a.refused(got, err, metav1.StatusReasonInvalid)
			}
			got, err := a.Update(a.ctx, named(""), metav1.UpdateOptions{})
			if err == nil {
				a.Errorf("updated a Lease without a name: %+v", got)
			}
		}),
		claim("OfManyUpdatesFromOneVersionOneWins", func(a api) {
			lease := a.create(held("a", "nobody"))
			for range 20 {
				var wins sync.Map
				a.race(4, func(writer string) {
					_, err := a.Update(a.ctx, by(lease, writer), metav1.UpdateOptions{})
					switch {
					case err == nil:
						wins.Store(writer, true)
					case !apierrors.IsConflict(err):
						a.Errorf("%s got %v, want success or a conflict", writer, err)
					}
				})
				next := a.get("a")
				a.onlyWinner(&wins, next)
				a.newer(lease, next)
				lease = a.update(by(next, "nobody"))
			}
		}),
		claim("AnEditOfLabelsKeepsTheSpecAndConflictsWithTheHolder", func(a api) {
			lease := a.create(held("a", "me"))
			edited := lease.DeepCopy()
			edited.Labels = map[string]string{"by": "hand"}
			edited = a.update(edited)
			if holder(edited) != "me" || !edited.Spec.RenewTime.Equal(lease.Spec.RenewTime) {
				a.Errorf("the edit left spec %+v, want %+v", edited.Spec, lease.Spec)
			}
			got, err := a.Update(a.ctx, by(lease, "me"), metav1.UpdateOptions{})
			a.refused(got, err, metav1.StatusReasonConflict)
			if renewed := a.update(by(a.get("a"), "me")); renewed.Labels["by"] != "hand" {
				a.Errorf("labels %v after the renewal, want the edit to survive", renewed.Labels)
			}
		}),
		claim("ResultsAreCopies", func(a api) {
			in := held("a", "me")
			created := a.create(in)
			*in.Spec.HolderIdentity = "changed"
			*created.Spec.HolderIdentity = "changed"
			*a.get("a").Spec.HolderIdentity = "changed"
			w := a.watch(metav1.ListOptions{FieldSelector: onlyA})
			*w.expect(watch.Added, "").Spec.HolderIdentity = "changed"
			list, err := a.List(a.ctx, metav1.ListOptions{})
			if err != nil {
				a.Fatal(err)
			}
			*list.Items[0].Spec.HolderIdentity = "changed"
			got := a.get("a")
			if holder(got) != "me" {
				a.Errorf("held by %s, want me: the server shares memory with its callers", holder(got))
			}
			in = by(got, "you")
			updated := a.update(in)
			*in.Spec.HolderIdentity, *updated.Spec.HolderIdentity = "changed", "changed"
			if got := holder(a.get("a")); got != "you" {
				a.Errorf("held by %s, want you: the server shares memory with its callers", got)
			}
		}),
	}
}

func patching() []Test {
	merge := func(a api, patch string) (*coordinationv1.Lease, error) {
		return a.Patch(a.ctx, "a", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	}
	return []Test{
		claim("PatchChangesWhatItNames", func(a api) {
			first := a.create(held("a", "me"))
			for how, patch := range map[types.PatchType]string{
				types.MergePatchType:          `{"metadata":{"labels":{"merge":"1"}}}`,
				types.StrategicMergePatchType: `{"metadata":{"labels":{"strategic":"1"}}}`,
				types.JSONPatchType:           `[{"op":"add","path":"/metadata/annotations","value":{"json":"1"}}]`,
			} {
				if _, err := a.Patch(a.ctx, "a", how, []byte(patch), metav1.PatchOptions{}); err != nil {
					a.Errorf("%s: %v", how, err)
				}
			}
			got := a.get("a")
			a.newer(first, got)
			if got.Labels["merge"] != "1" || got.Labels["strategic"] != "1" || got.Annotations["json"] != "1" || holder(got) != "me" {
				a.Errorf("patched to %+v, want the three patches and the holder", got)
			}
		}),
		claim("PatchOfNullRemoves", func(a api) {
			a.create(held("a", "me"))
			if lease, err := merge(a, `{"spec":{"holderIdentity":null}}`); err != nil || lease.Spec.HolderIdentity != nil {
				a.Errorf("got %+v, %v, want no holder", lease, err)
			}
		}),
		claim("PatchThatChangesNothingKeepsTheVersion", func(a api) {
			first := a.create(held("a", "me"))
			if lease, err := merge(a, `{"spec":{"holderIdentity":"me"}}`); err != nil || lease.ResourceVersion != first.ResourceVersion {
				a.Errorf("got resourceVersion %s, %v, want %s", lease.ResourceVersion, err, first.ResourceVersion)
			}
		}),
		claim("PatchIsHeldToTheVersionItNames", func(a api) {
			stale := a.create(held("a", "me"))
			a.update(by(stale, "you"))
			lease, err := merge(a, `{"metadata":{"resourceVersion":"`+stale.ResourceVersion+`"},"spec":{"holderIdentity":"me"}}`)
			a.refused(lease, err, metav1.StatusReasonConflict)
		}),
		claim("PatchIsChecked", func(a api) {
			a.create(held("a", "me"))
			for patch, want := range map[string]metav1.StatusReason{
				`{"spec":{"leaseDurationSeconds":0}}`:   metav1.StatusReasonInvalid,
				`{"spec":{"leaseDurationSeconds":"x"}}`: metav1.StatusReasonInvalid,
				`{"metadata":{"uid":"another"}}`:        metav1.StatusReasonInvalid,
				`{"metadata":{"resourceVersion":null}}`: metav1.StatusReasonInvalid,
				`{"metadata":{"name":"another"}}`:       metav1.StatusReasonBadRequest,
				`{"spec":`:                              metav1.StatusReasonBadRequest,
			} {
				lease, err := merge(a, patch)
				a.Log(patch)
				a.refused(lease, err, want)
			}
			lease, err := a.Patch(a.ctx, "a", types.PatchType("text/plain"), []byte(`{}`), metav1.PatchOptions{})
			a.refused(lease, err, metav1.StatusReasonUnsupportedMediaType)
		}),
		claim("PatchOfAMissingLeaseIsNotFound", func(a api) {
			lease, err := merge(a, `{}`)
			a.refused(lease, err, metav1.StatusReasonNotFound)
		}),
	}
}
