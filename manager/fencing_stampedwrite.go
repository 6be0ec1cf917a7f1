// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/manager/fencing"
)

// target is what a request writes.
type target struct {
	kind schema.GroupVersionKind
	name types.NamespacedName
}

// targetOf returns what an apply configuration is about. controller-runtime takes no others.
func targetOf(obj runtime.ApplyConfiguration) target {
	switch obj := obj.(type) {
	case client.Object:
		return target{obj.GetObjectKind().GroupVersionKind(), client.ObjectKeyFromObject(obj)}
	case interface {
		GetKind() *string
		GetAPIVersion() *string
		GetName() *string
		GetNamespace() *string
	}:
		return target{
			schema.FromAPIVersionAndKind(ptr.Deref(obj.GetAPIVersion(), ""), ptr.Deref(obj.GetKind(), "")),
			types.NamespacedName{Namespace: ptr.Deref(obj.GetNamespace(), ""), Name: ptr.Deref(obj.GetName(), "")},
		}
	}
	return target{}
}

// targetOfObject returns what a write of obj is about. Its kind is empty if nothing is stamped.
func (f *fence) targetOfObject(obj client.Object) (target, error) {
	if len(f.stamped) == 0 && len(f.epochs) == 0 {
		return target{}, nil
	}
	kind, err := f.c.GroupVersionKindFor(obj)
	return target{kind, client.ObjectKeyFromObject(obj)}, err
}

// object sends a write of body, which is obj or what is written to its subresource instead.
func (f *fence) object(ctx context.Context, obj, body client.Object, send func(context.Context) error) error {
	t, err := f.targetOfObject(obj)
	if err != nil {
		return err
	}
	s, err := f.stampFor(ctx, t)
	if err == nil {
		err = s.object(body)
	}
	if err != nil {
		return err
	}
	return f.write(ctx, send)
}

// patch sends a write by a patch.
func (f *fence) patch(ctx context.Context, obj client.Object, patch client.Patch, dryRun bool, send func(_ context.Context, _ client.Patch, force bool) error) error {
	t, err := f.targetOfObject(obj)
	if err != nil {
		return err
	}
	s, err := f.stampFor(ctx, t)
	if err == nil {
		patch, err = s.patch(obj, patch)
	}
	if err != nil {
		return err
	}
	return f.apply(ctx, s, t, dryRun, func(ctx context.Context, force bool) error { return send(ctx, patch, force) })
}

// configuration sends a write of body by server-side apply; body is obj or what is applied to its subresource instead.
func (f *fence) configuration(ctx context.Context, obj, body runtime.ApplyConfiguration, dryRun bool, send func(_ context.Context, force bool) error) error {
	t := targetOf(obj)
	s, err := f.stampFor(ctx, t)
	if err == nil {
		err = s.configuration(body)
	}
	if err != nil {
		return err
	}
	return f.apply(ctx, s, t, dryRun, send)
}

// apply sends a patch. If the field owners of an earlier term own another token, a server-side apply conflicts with
// them. A patch that is no apply takes the token from all of them without a conflict, and is refused like any write if
// a later leader wrote the token. The apply then finds its own value. To force the apply would take other fields as
// well if somebody applied them in between.
func (f *fence) apply(ctx context.Context, s stamp, t target, dryRun bool, send func(_ context.Context, force bool) error) error {
	unforced := func(ctx context.Context) error { return send(ctx, false) }
	err := f.write(ctx, unforced)
	token, others := s.conflicts(err)
	switch {
	case !token || dryRun && others:
		return err
	case dryRun: // forces nothing but the token, and nothing that lasts
		return f.write(ctx, func(ctx context.Context) error { return send(ctx, true) })
	}
	if err := f.write(ctx, func(ctx context.Context) error { return f.touch(ctx, s, t) }); client.IgnoreNotFound(err) != nil {
		return err
	}
	return f.write(ctx, unforced)
}

// touch writes the stamp and nothing else.
func (f *fence) touch(ctx context.Context, s stamp, t target) error {
	data, err := s.data(nil)
	if err != nil {
		return err
	}
	var u unstructured.Unstructured
	u.SetGroupVersionKind(t.kind)
	u.SetNamespace(t.name.Namespace)
	u.SetName(t.name.Name)
	patch := client.RawPatch(types.MergePatchType, data)
	if f.status {
		return f.c.Status().Patch(ctx, &u, patch, stampOwner)
	}
	return f.c.Patch(ctx, &u, patch, stampOwner)
}

// stampOwner owns the token after a conflict over it.
const stampOwner = client.FieldOwner("fencing.kube-elector.io")

// conflicts reports whether an apply conflicts over the stamp, and whether over other fields.
func (s stamp) conflicts(err error) (token, others bool) {
	var status apierrors.APIStatus
	if s.empty() || !apierrors.IsConflict(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return false, false
	}
	fields := []string{".metadata.annotations." + fencing.TokenAnnotation, ".status." + s.status}
	for _, cause := range status.Status().Details.Causes {
		mine := cause.Type == metav1.CauseTypeFieldManagerConflict && slices.Contains(fields, cause.Field)
		token, others = token || mine, others || !mine
	}
	return token, others
}
