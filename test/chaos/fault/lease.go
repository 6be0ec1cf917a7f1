// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"encoding/json"
	"maps"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"github.com/kube-elector/elector/test/chaos/replica"
	"github.com/kube-elector/elector/test/chaos/stage"
)

const (
	stranger = "somebody-else"
	byAdmin  = "chaos.example.com/written-by-hand"
)

// onLease returns a momentary fault of the Lease.
func onLease(name string, do func(context.Context, *stage.Stage) error) stage.Fault {
	return stage.Fault{
		Name: name, On: stage.TheLease,
		Inject: func(ctx context.Context, s *stage.Stage, _ *stage.Replica) error { return do(ctx, s) },
	}
}

// edit merges a patch into the Lease.
func edit(ctx context.Context, s *stage.Stage, patch map[string]any) error {
	text, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = s.Leases().Patch(ctx, replica.LeaseName, types.MergePatchType, text, metav1.PatchOptions{})
	return err
}

// write merges fields into the Lease's spec. As every writer does, it sets renewTime, unless the fields have it. With
// the annotation the administrator always owns a field, without which the API server ceases to record who wrote what.
func write(ctx context.Context, s *stage.Stage, fields map[string]any) error {
	spec := map[string]any{"renewTime": metav1.NowMicro()}
	maps.Copy(spec, fields)
	return edit(ctx, s, map[string]any{"spec": spec, "metadata": map[string]any{"annotations": map[string]any{byAdmin: "yes"}}})
}

// Written returns the fault that an administrator writes fields into the Lease's spec.
func Written(name string, fields map[string]any) stage.Fault {
	return onLease(name, func(ctx context.Context, s *stage.Stage) error { return write(ctx, s, fields) })
}

// Faults of the Lease.
var (
	Deleted = onLease("Lease deleted", func(ctx context.Context, s *stage.Stage) error {
		return s.Leases().Delete(ctx, replica.LeaseName, metav1.DeleteOptions{})
	})
	Stolen = onLease("holder edited", func(ctx context.Context, s *stage.Stage) error {
		return write(ctx, s, map[string]any{"holderIdentity": stranger, "acquireTime": metav1.NowMicro()})
	})
	Blanked = Written("holder blanked", map[string]any{"holderIdentity": ""})
	Bare    = onLease("annotations removed", func(ctx context.Context, s *stage.Stage) error {
		return edit(ctx, s, map[string]any{"metadata": map[string]any{"annotations": nil}})
	})
	Labelled = onLease("labels edited", func(ctx context.Context, s *stage.Stage) error {
		marks := map[string]any{stage.Marker: "yes"}
		return edit(ctx, s, map[string]any{"metadata": map[string]any{"labels": marks, "annotations": marks}})
	})
)

// Reapplied restores an old copy of the Lease, as a backup tool or kubectl does.
func Reapplied(old *coordinationv1.Lease) stage.Fault {
	return onLease("old copy re-applied", func(ctx context.Context, s *stage.Stage) error {
		return retry.RetryOnConflict(retry.DefaultRetry, func() error {
			now, err := s.Leases().Get(ctx, replica.LeaseName, metav1.GetOptions{})
			if err != nil {
				return err
			}
			now.Spec, now.Labels, now.Annotations = old.Spec, old.Labels, old.Annotations
			metav1.SetMetaDataAnnotation(&now.ObjectMeta, byAdmin, "yes")
			_, err = s.Leases().Update(ctx, now, metav1.UpdateOptions{})
			return err
		})
	})
}
