// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest_test

import (
	"errors"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var annotated = map[string]string{"example.com/note": "yes"}

func TestAdmissionChangesWhatClientsWrite(t *testing.T) {
	inBubble(t, func(b bubble) {
		var writers []string
		b.server.Admit(func(client string, lease *coordinationv1.Lease) error {
			writers = append(writers, client)
			lease.Annotations = nil
			return nil
		})
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "b", Annotations: annotated}}
		made, err := b.leases.Create(b.Context(), lease, metav1.CreateOptions{})
		if err != nil || len(made.Annotations) != 0 {
			b.Errorf("created %+v, %v, want no annotations", made, err)
		}
		made.Annotations, made.Spec.RenewTime = annotated, &metav1.MicroTime{Time: time.Now()}
		updated, err := b.leases.Update(b.Context(), made, metav1.UpdateOptions{})
		if err != nil || len(updated.Annotations) != 0 || updated.Spec.RenewTime == nil {
			b.Errorf("updated to %+v, %v, want the renewTime and no annotations", updated, err)
		}
		const patch = `{"metadata":{"annotations":{"example.com/note":"yes"},"labels":{"a":"b"}}}`
		patched, err := b.leases.Patch(b.Context(), "b", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		if err != nil || len(patched.Annotations) != 0 || patched.Labels["a"] != "b" {
			b.Errorf("patched to %+v, %v, want the label and no annotations", patched, err)
		}
		patched.Annotations = annotated
		if same, err := b.leases.Update(b.Context(), patched, metav1.UpdateOptions{}); err != nil || same.ResourceVersion != patched.ResourceVersion {
			b.Errorf("updated to %+v, %v, want no write, as nothing is left that changes", same, err)
		}
		if put := b.server.Reapply(lease); len(put.Annotations) != 1 || len(writers) != 4 || writers[0] != "replica" {
			b.Errorf("reapplied %+v, admission saw writes of %v", put, writers)
		}
	})
}

func TestAdmissionRefuses(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.server.Admit(func(string, *coordinationv1.Lease) error {
			return apierrors.NewForbidden(coordinationv1.Resource("leases"), "a", errors.New("by a policy"))
		})
		before := b.server.Get("ns", "a").ResourceVersion
		if err := b.take("me", time.Second); !apierrors.IsForbidden(err) {
			b.Errorf("update: got %v, want Forbidden", err)
		}
		if _, err := b.leases.Create(b.Context(), held("me"), metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
			b.Errorf("create: got %v, want Forbidden", err)
		}
		if _, err := b.leases.Patch(b.Context(), "a", types.MergePatchType, []byte("{}"), metav1.PatchOptions{}); !apierrors.IsForbidden(err) {
			b.Errorf("patch: got %v, want Forbidden", err)
		}
		if after := b.server.Get("ns", "a").ResourceVersion; after != before {
			b.Errorf("the version went from %s to %s, want it kept", before, after)
		}
		b.server.Admit(nil)
		if err := b.take("me", time.Second); err != nil {
			b.Error(err)
		}
	})
}

func TestAnOldCopyIsReappliedOverWhatIsThere(t *testing.T) {
	inBubble(t, func(b bubble) {
		backup := b.server.Get("ns", "a")
		if err := b.take("me", time.Second); err != nil {
			b.Fatal(err)
		}
		now := b.server.Get("ns", "a")
		if got := b.server.Reapply(backup); !later(now, got) || got.UID != now.UID {
			b.Errorf("reapplied %+v over %+v, want its UID at a later version", got.ObjectMeta, now.ObjectMeta)
		}
		b.wantHolder("nobody")
		b.server.Delete("ns", "a")
		if got := b.server.Reapply(backup); got.UID == backup.UID || !later(now, got) {
			b.Errorf("reapplied %+v after a deletion, want another UID at a later version", got.ObjectMeta)
		}
	})
}
