// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/kube-elector/elector/manager/fencing"
)

// pod is one of an operator's, as the API server sees it. It has no process, but its token is real and bound to it.
type pod struct {
	client.Client
	cfg      *rest.Config
	identity string
}

// operator is an operator in a namespace of its own.
type operator struct {
	ns    string
	cfg   *rest.Config
	admin client.Client
	pods  []*pod

	fenced bool // there are policies
}

// newOperator makes an operator whose pods may do anything in its namespace.
func newOperator(t *testing.T, cfg *rest.Config, ns string, pods int) *operator {
	t.Helper()
	o := &operator{ns: ns, cfg: cfg, admin: clientOf(t, cfg)}
	meta := metav1.ObjectMeta{Namespace: ns, Name: "operator"}
	o.mustCreate(t, &corev1.ServiceAccount{ObjectMeta: meta},
		&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"},
		}}},
		&rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "operator"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ns, Name: "operator"}},
		})
	for i := range pods {
		o.pods = append(o.pods, o.newPod(t, fmt.Sprintf("operator-%d", i)))
	}
	return o
}

func (o *operator) newPod(t *testing.T, name string) *pod {
	t.Helper()
	object := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.ns, Name: name},
		Spec:       corev1.PodSpec{ServiceAccountName: "operator", Containers: []corev1.Container{{Name: "c", Image: "none"}}},
	}
	o.mustCreate(t, object)
	return o.podOf(t, fmt.Sprintf("%s_%s", name, object.UID), &authenticationv1.BoundObjectReference{
		APIVersion: "v1", Kind: "Pod", Name: name, UID: object.UID,
	})
}

// podOf returns a client with a token of the operator's service account that is bound to this object, or to none.
func (o *operator) podOf(t *testing.T, identity string, bound *authenticationv1.BoundObjectReference) *pod {
	t.Helper()
	request, err := kubernetes.NewForConfigOrDie(o.cfg).CoreV1().ServiceAccounts(o.ns).CreateToken(t.Context(), "operator",
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{BoundObjectRef: bound}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := rest.AnonymousClientConfig(o.cfg)
	cfg.BearerToken = request.Status.Token
	return &pod{clientOf(t, cfg), cfg, identity}
}

func clientOf(t *testing.T, cfg *rest.Config) client.Client {
	t.Helper()
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1
	c, err := client.New(cfg, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (o *operator) mustCreate(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := o.admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}

func (o *operator) configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: o.ns, Name: name}}
}

func (o *operator) lease() *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: o.ns, Name: "lease"}}
}

// settings guard the ConfigMaps of the namespace.
func (o *operator) settings(policies ...fencing.Policy) fencing.Settings {
	return fencing.Settings{
		Lease:          types.NamespacedName{Namespace: o.ns, Name: "lease"},
		ServiceAccount: types.NamespacedName{Namespace: o.ns, Name: "operator"},
		Resources: []admissionv1.Rule{{
			APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"},
		}},
		Namespaces: []string{o.ns},
		Policies:   policies,
	}
}

// install installs the policies, waits until they are in force, and uninstalls them at the end of the test.
func (o *operator) install(t *testing.T, s fencing.Settings) []client.Object {
	t.Helper()
	objects, err := fencing.Objects(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := fencing.Install(t.Context(), o.admin, objects...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fencing.Uninstall(context.Background(), o.admin, objects...); err != nil {
			t.Error(err)
		}
	})
	o.awaitForce(t, s)
	o.fenced = true
	return objects
}

// awaitForce tries, without effect, what each policy is to refuse.
func (o *operator) awaitForce(t *testing.T, s fencing.Settings) {
	t.Helper()
	stranger := o.newPod(t, fmt.Sprintf("probe-%s", utilrand.String(6)))
	probe := o.configMap("probe-" + utilrand.String(6))
	probe.Annotations = map[string]string{fencing.TokenAnnotation: "2"}
	o.mustCreate(t, probe)
	refusedBy := func(p fencing.Policy, try func() error) {
		if !(len(s.Policies) == 0 || slices.Contains(s.Policies, p)) {
			return
		}
		var last error
		defer func() {
			if t.Failed() {
				t.Logf("the last attempt: %v", last)
			}
		}()
		eventually(t, "the policy "+string(p)+" to be in force", func() bool {
			last = try()
			refusal, _ := fencing.RefusalOf(last)
			return refusal.Policy == p
		})
	}
	refusedBy(fencing.Holder, func() error {
		return stranger.Create(t.Context(), o.configMap("none"), client.DryRunAll)
	})
	refusedBy(fencing.Epoch, func() error {
		// By a pod that Holder lets through, if that is installed as well.
		for _, p := range append([]*pod{stranger}, o.pods...) {
			err := p.Patch(t.Context(), o.configMap(probe.Name), stamp("1"), client.DryRunAll)
			if refusal, _ := fencing.RefusalOf(err); refusal.Policy != fencing.Holder {
				return err
			}
		}
		return nil
	})
	refusedBy(fencing.Guard, func() error {
		lease := o.lease()
		lease.Name = "lease"
		lease.Spec.HolderIdentity = ptr.To("somebody")
		err := stranger.Create(t.Context(), lease, client.DryRunAll)
		if apierrors.IsAlreadyExists(err) {
			err = stranger.Patch(t.Context(), o.lease(), client.RawPatch(types.MergePatchType,
				[]byte(`{"spec":{"holderIdentity":"somebody"}}`)), client.DryRunAll)
		}
		return err
	})
	if err := o.admin.Delete(t.Context(), probe); err != nil {
		t.Fatal(err)
	}
}

// stamp returns a patch that writes a token.
func stamp(token string) client.Patch {
	return client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, fencing.TokenAnnotation, token))
}

// takeOver makes the pod the holder of the Lease, as an Elector does, and returns the term's token.
func (o *operator) takeOver(t *testing.T, p *pod) string {
	t.Helper()
	lease := o.lease()
	err := o.admin.Get(t.Context(), client.ObjectKeyFromObject(lease), lease)
	now := metav1.NowMicro()
	lease.Spec.HolderIdentity = &p.identity
	lease.Spec.LeaseDurationSeconds = ptr.To[int32](15)
	lease.Spec.AcquireTime, lease.Spec.RenewTime = &now, &now
	lease.Spec.LeaseTransitions = ptr.To(ptr.Deref(lease.Spec.LeaseTransitions, 0) + 1)
	switch {
	case apierrors.IsNotFound(err):
		err = p.Create(t.Context(), lease)
	case err == nil:
		err = p.Update(t.Context(), lease)
	}
	if err != nil {
		t.Fatalf("taking the Lease over: %v", err)
	}
	return lease.ResourceVersion
}

// number returns that of a resourceVersion.
func number(t *testing.T, version string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		t.Error(err)
	}
	return n
}
