// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"maps"
	"slices"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/manager/fencing"
)

// as returns the client of another user, who may be one of Kubernetes' own.
func (o *operator) as(t *testing.T, user string, groups ...string) client.Client {
	cfg := rest.CopyConfig(o.cfg)
	cfg.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:authenticated")}
	return clientOf(t, cfg)
}

// everyWrite returns everything that can be done to an object.
func everyWrite(o *operator, name string, options ...client.PatchOption) map[string]func(context.Context, client.Client) error {
	return map[string]func(context.Context, client.Client) error{
		"1 create": func(ctx context.Context, c client.Client) error { return c.Create(ctx, o.configMap(name)) },
		"2 update, which drops the token": func(ctx context.Context, c client.Client) error {
			return c.Update(ctx, o.configMap(name))
		},
		"3 patch": func(ctx context.Context, c client.Client) error {
			return c.Patch(ctx, o.configMap(name), stamp("1"), options...)
		},
		"4 apply": func(ctx context.Context, c client.Client) error {
			object := o.configMap(name)
			object.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}
			return c.Patch(ctx, object, client.Apply, client.ForceOwnership, client.FieldOwner("someone")) //nolint:staticcheck // as kubectl does
		},
		"5 delete": func(ctx context.Context, c client.Client) error { return c.Delete(ctx, o.configMap(name)) },
	}
}

func TestOthersThanTheOperatorAreNotHindered(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 1)
	o.takeOver(t, o.pods[0])
	o.mustCreate(t, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.ns, Name: "others"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "operator"},
		Subjects: []rbacv1.Subject{
			{Kind: rbacv1.UserKind, Name: "jane"},
			{Kind: rbacv1.ServiceAccountKind, Namespace: o.ns, Name: "always-on"},
		},
	})
	o.install(t, o.settings())
	for name, c := range map[string]client.Client{
		"administrator":               o.admin,
		"kubectl user":                o.as(t, "jane"),
		"writer that is always on":    o.as(t, "system:serviceaccount:"+o.ns+":always-on", "system:serviceaccounts"),
		"namespace controller":        o.as(t, "system:serviceaccount:kube-system:namespace-controller", "system:masters"),
		"garbage collector":           o.as(t, "system:serviceaccount:kube-system:generic-garbage-collector", "system:masters"),
		"operator, while it leads":    o.pods[0],
		"operator of another cluster": o.as(t, "system:serviceaccount:elsewhere:operator", "system:masters"),
	} {
		t.Run(name, func(t *testing.T) {
			writes := everyWrite(o, "object")
			for _, write := range slices.Sorted(maps.Keys(writes)) {
				if c == o.pods[0] && write[0] == '2' {
					continue // which Epoch refuses
				}
				if err := writes[write](t.Context(), c); err != nil {
					t.Errorf("%s: %v", write, err)
				}
				if write[0] == '1' {
					if err := o.admin.Patch(t.Context(), o.configMap("object"), stamp("1")); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
	t.Run("anyone may take the Lease away", func(t *testing.T) {
		jane := o.as(t, "jane")
		for _, holder := range []string{`"jane"`, `""`, "null"} {
			patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"holderIdentity":`+holder+`}}`))
			if err := jane.Patch(t.Context(), o.lease(), patch); err != nil {
				t.Errorf("holderIdentity: %s: %v", holder, err)
			}
		}
	})
}

// A namespace is deleted by its controller, which deletes all there is in it, the Lease first maybe, and by garbage
// collection.
func TestNamespaceCanBeEmptiedWithoutALease(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 1)
	o.takeOver(t, o.pods[0])
	o.mustCreate(t, o.configMap("a"), o.configMap("b"))
	o.install(t, o.settings())
	controller := o.as(t, "system:serviceaccount:kube-system:namespace-controller", "system:serviceaccounts", "system:serviceaccounts:kube-system")
	for _, object := range []client.Object{&coordinationv1.Lease{}, &corev1.ConfigMap{}} {
		if err := controller.DeleteAllOf(t.Context(), object, client.InNamespace(o.ns)); err != nil {
			t.Errorf("%T: %v", object, err)
		}
	}
	if err := o.admin.Get(t.Context(), client.ObjectKeyFromObject(o.configMap("a")), o.configMap("a")); !apierrors.IsNotFound(err) {
		t.Errorf("an object is still there: %v", err)
	}
}

// The setting has a documented price. It refuses even the administrator.
func TestDenyWithoutLeaseRefusesEverybodyWhileThereIsNone(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 1)
	o.takeOver(t, o.pods[0])
	s := o.settings(fencing.Holder)
	s.DenyWithoutLease = true
	o.install(t, s)
	if err := o.admin.Delete(t.Context(), o.lease()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]client.Client{"operator": o.pods[0], "administrator": o.admin} {
		eventually(t, "a refused write of the "+name, func() bool {
			refusal, _ := fencing.RefusalOf(c.Create(t.Context(), o.configMap("a"), client.DryRunAll))
			return refusal.Policy == fencing.Holder
		})
	}
	o.takeOver(t, o.pods[0])
	eventually(t, "the administrator's write to be accepted", func() bool {
		return o.admin.Create(t.Context(), o.configMap("a"), client.DryRunAll) == nil
	})
}

func TestExemptFieldManagersWriteWithoutLeading(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 2)
	o.takeOver(t, o.pods[0])
	s := o.settings()
	s.Exempt = []string{`quote"and\slash`, "always-on"}
	o.install(t, s)
	standby := o.pods[1]
	for _, owner := range s.Exempt {
		c := client.WithFieldOwner(standby, owner)
		if err := c.Create(t.Context(), o.configMap("object")); err != nil {
			t.Errorf("%s: create: %v", owner, err)
		}
		if err := c.Patch(t.Context(), o.configMap("object"), stamp("1")); err != nil {
			t.Errorf("%s: patch: %v", owner, err)
		}
		if err := c.Delete(t.Context(), o.configMap("object")); !fencing.IsRefused(err) {
			t.Errorf("%s: delete: %v, want it refused: a deletion has no field manager", owner, err)
		}
		if err := o.admin.Delete(t.Context(), o.configMap("object")); err != nil {
			t.Fatal(err)
		}
	}
	for _, owner := range []string{"", "always-on-not"} {
		if err := client.WithFieldOwner(standby, owner).Create(t.Context(), o.configMap("object")); !fencing.IsRefused(err) {
			t.Errorf("%q: create: %v, want it refused", owner, err)
		}
	}
}
