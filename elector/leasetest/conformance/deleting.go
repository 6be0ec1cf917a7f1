// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"slices"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

func deleting() []Test {
	return []Test{
		claim("DeleteOfAMissingLeaseIsNotFound", func(a api) {
			if err := a.Delete(a.ctx, "a", metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
				a.Errorf("got %v, want NotFound", err)
			}
		}),
		claim("ALeaseMadeAgainHasAnotherUIDAndAHigherVersion", func(a api) {
			first := a.create(held("a", "me"))
			a.delete("a")
			second := a.create(held("a", "me"))
			a.newer(first, second)
			if first.UID == second.UID {
				a.Errorf("both have UID %s, want two", first.UID)
			}
			lease, err := a.Update(a.ctx, by(first, "me"), metav1.UpdateOptions{})
			a.refused(lease, err, metav1.StatusReasonConflict)
		}),
		claim("VersionsRiseOverAllLeases", func(a api) {
			last := a.create(named("a"))
			for _, next := range []*coordinationv1.Lease{named("b"), named("c")} {
				next = a.create(next)
				a.newer(last, next)
				last = next
			}
			a.newer(last, a.update(by(a.get("a"), "me")))
		}),
		claim("DeleteIsHeldToItsPreconditions", func(a api) {
			lease := a.create(held("a", "me"))
			for _, wrong := range []metav1.Preconditions{
				{UID: ptr.To(types.UID("another"))},
				{ResourceVersion: ptr.To("1")},
				{UID: &lease.UID, ResourceVersion: ptr.To("1")},
			} {
				if err := a.Delete(a.ctx, "a", metav1.DeleteOptions{Preconditions: &wrong}); !apierrors.IsConflict(err) {
					a.Errorf("with %v got %v, want a conflict", wrong, err)
				}
			}
			right := &metav1.Preconditions{UID: &lease.UID, ResourceVersion: &lease.ResourceVersion}
			if err := a.Delete(a.ctx, "a", metav1.DeleteOptions{Preconditions: right}); err != nil {
				a.Errorf("with %v got %v, want the Lease deleted", right, err)
			}
		}),
		claim("AFinalizerKeepsTheLease", func(a api) {
			lease := named("a")
			lease.Finalizers = []string{"example.com/keep"}
			lease = a.create(lease)
			a.delete("a")
			marked := a.get("a")
			a.delete("a")
			if again := a.get("a"); again.ResourceVersion != marked.ResourceVersion {
				a.Errorf("deleted once more, the version went from %s to %s", marked.ResourceVersion, again.ResourceVersion)
			}
			a.newer(lease, marked)
			if marked.DeletionTimestamp == nil || marked.UID != lease.UID {
				a.Errorf("got %+v, want the same Lease with a deletionTimestamp", marked.ObjectMeta)
			}
			more := marked.DeepCopy()
			more.Finalizers = append(more.Finalizers, "example.com/more")
			got, err := a.Update(a.ctx, more, metav1.UpdateOptions{})
			a.refused(got, err, metav1.StatusReasonInvalid)
			marked.Finalizers = nil
			a.update(marked)
			got, err = a.Get(a.ctx, "a", metav1.GetOptions{})
			a.refused(got, err, metav1.StatusReasonNotFound)
		}),
		claim("DeleteCollectionDeletesWhatIsSelected", func(a api) {
			kept := named("kept")
			kept.Labels = map[string]string{"keep": "yes"}
			a.create(kept)
			a.create(named("a"))
			a.create(named("b"))
			if err := a.DeleteCollection(a.ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "!keep"}); err != nil {
				a.Error(err)
			}
			a.lists(metav1.ListOptions{}, "kept")
		}),
	}
}

func reading() []Test {
	return []Test{
		claim("GetOfAMissingLeaseIsNotFound", func(a api) {
			lease, err := a.Get(a.ctx, "a", metav1.GetOptions{})
			a.refused(lease, err, metav1.StatusReasonNotFound)
		}),
		claim("GetWithoutANameIsRefused", func(a api) {
			for _, name := range []string{"", "a/b"} {
				if _, err := a.Get(a.ctx, name, metav1.GetOptions{}); err == nil {
					a.Errorf("got a Lease of the name %q", name)
				}
			}
		}),
		claim("ListSelects", func(a api) {
			for _, name := range []string{"c", "a", "b"} {
				lease := named(name)
				lease.Labels = map[string]string{"is": name}
				a.create(lease)
			}
			a.lists(metav1.ListOptions{}, "a", "b", "c")
			a.lists(metav1.ListOptions{FieldSelector: "metadata.name=b"}, "b")
			a.lists(metav1.ListOptions{FieldSelector: "metadata.name!=b"}, "a", "c")
			a.lists(metav1.ListOptions{FieldSelector: "metadata.namespace=" + a.namespace}, "a", "b", "c")
			a.lists(metav1.ListOptions{LabelSelector: "is in (a,c)"}, "a", "c")
			a.lists(metav1.ListOptions{LabelSelector: "is=c", FieldSelector: "metadata.name=b"})
		}),
		claim("ListHasAVersionToWatchFrom", func(a api) {
			lease := a.create(named("a"))
			list, err := a.List(a.ctx, metav1.ListOptions{})
			if err != nil {
				a.Fatal(err)
			}
			at := named("the list")
			at.ResourceVersion = list.ResourceVersion
			if a.version(at) < a.version(lease) {
				a.Errorf("listed at %s, want %s or later", at.ResourceVersion, lease.ResourceVersion)
			}
		}),
		claim("ListOfWhatCannotBeSelectedIsRefused", func(a api) {
			for _, opts := range []metav1.ListOptions{
				{FieldSelector: "spec.holderIdentity=me"}, {FieldSelector: "nonsense"}, {LabelSelector: "a in b"},
			} {
				if list, err := a.List(a.ctx, opts); !apierrors.IsBadRequest(err) || list == nil {
					a.Errorf("%+v: got %v, %v, want BadRequest", opts, list, err)
				}
			}
		}),
		claim("AnEndedContextEndsEveryCall", func(a api) {
			lease := a.create(held("a", "me"))
			ended, cancel := context.WithCancel(a.ctx)
			cancel()
			_, get := a.Get(ended, "a", metav1.GetOptions{})
			_, list := a.List(ended, metav1.ListOptions{})
			_, watch := a.Watch(ended, metav1.ListOptions{})
			_, create := a.Create(ended, named("b"), metav1.CreateOptions{})
			_, update := a.Update(ended, by(lease, "you"), metav1.UpdateOptions{})
			_, patch := a.Patch(ended, "a", types.MergePatchType, []byte(`{"spec":{"holderIdentity":"you"}}`), metav1.PatchOptions{})
			remove := a.Delete(ended, "a", metav1.DeleteOptions{})
			for i, err := range []error{get, list, watch, create, update, patch, remove} {
				if !errors.Is(err, context.Canceled) {
					a.Errorf("call %d got %v, want context.Canceled", i, err)
				}
			}
			a.lists(metav1.ListOptions{}, "a")
			if got := holder(a.get("a")); got != "me" {
				a.Errorf("held by %s, want me", got)
			}
		}),
	}
}

// lists checks the names of a list, which come in order.
func (a api) lists(opts metav1.ListOptions, want ...string) {
	a.Helper()
	list, err := a.List(a.ctx, opts)
	if err != nil {
		a.Errorf("listing %+v: %v", opts, err)
		return
	}
	var got []string
	for _, lease := range list.Items {
		got = append(got, lease.Name)
	}
	if !slices.Equal(got, want) {
		a.Errorf("%+v lists %v, want %v", opts, got, want)
	}
}
