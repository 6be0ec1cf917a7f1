// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/yaml"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager"
	"github.com/kube-elector/elector/manager/fencing"
)

// allowInstalling gives the operator the right to install its policies, and allowPolicies any right to policies.
func (o *operator) allowInstalling(t *testing.T) { o.allowPolicies(t, "get", "create", "patch") }

func (o *operator) allowPolicies(t *testing.T, verbs ...string) {
	t.Helper()
	meta := metav1.ObjectMeta{Name: "fencing-" + o.ns}
	role := &rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{
			APIGroups: []string{"admissionregistration.k8s.io"},
			Resources: []string{"validatingadmissionpolicies", "validatingadmissionpolicybindings"},
			Verbs:     verbs,
		},
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get"}},
	}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: o.ns, Name: "operator"}},
	}
	o.mustCreate(t, role, binding)
	t.Cleanup(func() {
		if err := errors.Join(o.admin.Delete(context.Background(), binding), o.admin.Delete(context.Background(), role)); err != nil {
			t.Error(err)
		}
	})
}

// fencedReplica is one of an operator that marks each ConfigMap "x" with who saw it last in which term.
type fencedReplica struct {
	*replica
	manager *manager.Manager

	mu   sync.Mutex // guards all below
	last error      // write's
}

func (r *fencedReplica) lastError() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func newFencedReplica(t *testing.T, o *operator, p *pod, s fencing.Settings, logs ...io.Writer) *fencedReplica {
	t.Helper()
	options := managerOptions(t, o.ns)
	options.Logger = manager.NewLogr(slog.New(slog.NewJSONHandler(io.MultiWriter(append(logs, t.Output())...), nil)))
	m, err := manager.New(p.cfg, options, manager.WithFencing(s, &corev1.ConfigMap{}), manager.WithIdentity(p.identity), manager.WithReElection())
	if err != nil {
		t.Fatal(err)
	}
	r := &fencedReplica{manager: m}
	err = setupConfigMaps(func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
		if request.Name != "x" {
			return reconcile.Result{}, nil
		}
		object := o.configMap("x")
		if err := m.GetClient().Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return reconcile.Result{}, client.IgnoreNotFound(err)
		}
		base := object.DeepCopy()
		object.Data = map[string]string{"by": p.identity}
		err := m.GetClient().Patch(ctx, object, client.MergeFrom(base))
		r.mu.Lock()
		r.last = err
		r.mu.Unlock()
		return reconcile.Result{}, err
	})(m)
	if err != nil {
		t.Fatal(err)
	}
	r.replica = start(t, m)
	return r
}

// marked waits until the leader has written x, and returns the object.
func (o *operator) marked(t *testing.T, p *pod, term elector.Term) {
	t.Helper()
	eventually(t, "the leader's mark and token in x", func() bool {
		object := o.configMap("x")
		err := o.admin.Get(t.Context(), client.ObjectKeyFromObject(object), object)
		return err == nil && object.Data["by"] == p.identity && object.Annotations[fencing.TokenAnnotation] == string(term.Token)
	})
}

func (r *fencedReplica) term(t *testing.T) elector.Term {
	t.Helper()
	receive(t, r.Elected(), "the election")
	term, ok := r.manager.Elector().Term()
	if !ok {
		t.Fatal("it does not lead")
	}
	return term
}

func TestManagerInstallsPoliciesStampsItsWritesAndHandsOver(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 2)
	o.allowInstalling(t)
	s := o.settings()
	o.uninstallAtTheEnd(t, s)
	o.mustCreate(t, o.configMap("x"))
	a := newFencedReplica(t, o, o.pods[0], s)
	first := a.term(t)
	o.awaitForce(t, s)
	o.marked(t, o.pods[0], first)
	b := newFencedReplica(t, o, o.pods[1], s)
	if err := a.stop(t); err != nil {
		t.Errorf("Start: %v", err)
	}
	second := b.term(t)
	o.marked(t, o.pods[1], second)
	if order, err := second.Token.Compare(first.Token); err != nil || order <= 0 {
		t.Errorf("the tokens are %s and then %s: %v", first.Token, second.Token, err)
	}
	err := o.pods[0].Patch(t.Context(), o.configMap("x"), client.RawPatch("application/merge-patch+json", []byte(`{"data":{"by":"a"}}`)))
	if refusal, _ := fencing.RefusalOf(err); refusal.Policy != fencing.Holder || refusal.Lease != s.Lease {
		t.Errorf("a write of the former leader: %v, want it refused by holder", err)
	}
}

func (o *operator) uninstallAtTheEnd(t *testing.T, s fencing.Settings) {
	t.Helper()
	objects, err := fencing.Objects(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fencing.Uninstall(context.Background(), o.admin, objects...); err != nil {
			t.Error(err)
		}
	})
}

func TestRefusedWriteIsRecognisedCountedAndHeals(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 1)
	s := o.settings(fencing.Epoch)
	o.install(t, s)
	o.mustCreate(t, o.configMap("x"))
	a := newFencedReplica(t, o, o.pods[0], s)
	term := a.term(t)
	o.marked(t, o.pods[0], term)
	before := refusedWrites(t, s)
	if before != 0 {
		t.Errorf("%v refused writes were counted before there were any", before)
	}
	mustStamp := func(token string) {
		if err := o.admin.Patch(t.Context(), o.configMap("x"), stamp(token)); err != nil {
			t.Fatal(err)
		}
	}
	mustStamp(fmt.Sprint(number(t, string(term.Token)) + 1)) // as a later leader would
	eventually(t, "a refused write", func() bool { return a.lastError() != nil })
	if err := a.lastError(); !errors.Is(err, fencing.ErrRefused) || !fencing.IsRefused(err) {
		t.Errorf("the write's error is %v, want ErrRefused", err)
	}
	if n := refusedWrites(t, s); n < 1 {
		t.Errorf("the metric says %v refused writes", n)
	}
	mustStamp("1")
	o.marked(t, o.pods[0], term)
}

// refusedWrites returns the metric's value for Epoch.
func refusedWrites(t *testing.T, s fencing.Settings) float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "elector_refused_writes_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["lease_namespace"] == s.Lease.Namespace && labels["lease_name"] == s.Lease.Name && labels["policy"] == string(fencing.Epoch) {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Error("there is no such metric")
	return 0
}

// What it prints is all that is needed.
func TestReplicaThatMayNotInstallPrintsPoliciesThatWork(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 1)
	s := o.settings()
	o.uninstallAtTheEnd(t, s)
	s.Resources = append(s.Resources, admissionv1.Rule{
		APIGroups: []string{"example.com"}, APIVersions: []string{"v1"}, Resources: []string{"nowhere"},
	})
	var lines logLines
	a := newFencedReplica(t, o, o.pods[0], s, &lines)
	receive(t, a.Elected(), "the election")
	eventually(t, "the line about a resource that is not served", func() bool {
		line := lines.find("matches nothing in this cluster")
		return line != nil && strings.Contains(line["err"].(string), `"nowhere": the cluster has no such resource`)
	})
	var line map[string]any
	eventually(t, "the line about policies", func() bool {
		line = lines.find("fencing policies")
		return line != nil
	})
	for document := range strings.SplitSeq(line["apply"].(string), "---\n") {
		if document == "" {
			continue
		}
		var object unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			t.Fatal(err)
		}
		if err := client.IgnoreAlreadyExists(o.admin.Create(t.Context(), &object)); err != nil { // the keeper is shared
			t.Fatal(err)
		}
	}
	o.awaitForce(t, s)
}

func TestMismatchIsFoundAtStart(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 2)
	unbound := o.podOf(t, o.pods[0].identity, nil)
	other := o.settings()
	other.ServiceAccount.Name = "other"
	for name, test := range map[string]struct {
		pod      *pod
		settings fencing.Settings
		identity string
		want     string // "" for none
	}{
		"all fits":                    {o.pods[0], o.settings(), o.pods[0].identity, ""},
		"identity of another pod":     {o.pods[0], o.settings(), o.pods[1].identity, "set POD_NAME and POD_UID"},
		"token of no pod":             {unbound, o.settings(), unbound.identity, "is bound to no pod"},
		"token of no pod, epoch only": {unbound, o.settings(fencing.Epoch), unbound.identity, ""},
		"other service account":       {o.pods[0], other, o.pods[0].identity, `"system:serviceaccount:` + o.ns + `:operator"`},
	} {
		err := fencing.Check(t.Context(), test.pod, test.settings, test.identity)
		if test.want == "" && err != nil || test.want != "" && (!errors.Is(err, fencing.ErrMismatch) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	misnamed := *o.pods[0]
	misnamed.identity = "someone"
	a := newFencedReplica(t, o, &misnamed, o.settings())
	if err := receive(t, a.err, "the end of Start"); !errors.Is(err, fencing.ErrMismatch) {
		t.Errorf("Start: %v, want ErrMismatch", err)
	}
	if leases(o.ns) != nil {
		t.Error("it has campaigned")
	}
}
