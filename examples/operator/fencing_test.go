// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/kube-elector/elector/examples/operator/api/v1alpha1"
	operatorconfig "github.com/kube-elector/elector/examples/operator/config"
	"github.com/kube-elector/elector/manager/fencing"
)

// The names that config/default gives.
const (
	deployedNamespace      = "beacon-operator-system"
	deployedServiceAccount = "beacon-operator-controller-manager"
)

var update = flag.Bool("update", false, "write config/fencing/keeper.yaml and policies.yaml")

func TestFencingManifestsAreWhatTheOperatorPrints(t *testing.T) {
	t.Setenv("POD_NAMESPACE", deployedNamespace)
	t.Setenv("POD_SERVICE_ACCOUNT", deployedServiceAccount)
	o, err := parseFlags(nil)
	if err != nil {
		t.Fatal(err)
	}
	keeper, policies, err := fencingManifests(fencingSettings(o))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"keeper.yaml": keeper, "policies.yaml": policies} {
		name = "fencing/" + name
		text = "# SPDX-FileCopyrightText: The elector Authors\n# SPDX-License-Identifier: Apache-2.0\n\n" +
			"# Written by go test ./examples/operator -run Manifests -update\n" + text
		if *update {
			if err := os.WriteFile("config/"+name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if committed, err := operatorconfig.Files.ReadFile(name); err != nil || text != string(committed) {
			t.Errorf("config/%s differs: run go test ./examples/operator -run Manifests -update (%v)", name, err)
		}
	}

	var role rbacv1.ClusterRole
	text, err := operatorconfig.Files.ReadFile("fencing/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, &role); err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^  name: (.*)$`).FindAllStringSubmatch(keeper+policies, -1)
	for _, name := range names {
		if !slices.Contains(role.Rules[0].ResourceNames, name[1]) {
			t.Errorf("the operator may not look for %s", name[1])
		}
	}
	if len(names) != 8 {
		t.Errorf("there are %d objects, want 8", len(names))
	}
}

// podKubeconfig makes a pod of the operator's service account, sets the environment as the Deployment does, and returns
// its client and a kubeconfig.
func podKubeconfig(t *testing.T, env *envtest.Environment, c client.Client) (client.Client, string) {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "pod-1"},
		Spec:       corev1.PodSpec{ServiceAccountName: "controller-manager", Containers: []corev1.Container{{Name: "c", Image: "none"}}},
	}
	if err := c.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "controller-manager"}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	if err := c.SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatal(err)
	}
	t.Setenv("POD_NAME", pod.Name)
	t.Setenv("POD_UID", string(pod.UID))
	t.Setenv("POD_NAMESPACE", namespace)
	t.Setenv("POD_SERVICE_ACCOUNT", account.Name)
	cfg := rest.AnonymousClientConfig(env.Config)
	cfg.BearerToken = request.Status.Token
	asPod, err := client.New(cfg, client.Options{Scheme: c.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	text, err := clientcmd.Write(clientcmdapi.Config{
		CurrentContext: "x",
		Contexts:       map[string]*clientcmdapi.Context{"x": {Cluster: "x", AuthInfo: "x"}},
		Clusters:       map[string]*clientcmdapi.Cluster{"x": {Server: cfg.Host, CertificateAuthorityData: cfg.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"x": {Token: cfg.BearerToken}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return asPod, write(t, string(text))
}

// isFenced has the operator work under the policies that it prints.
func isFenced(t *testing.T, env *envtest.Environment, c client.Client) {
	asPod, kubeconfig := podKubeconfig(t, env, c)
	o, err := parseFlags(nil)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := fencing.Objects(fencingSettings(o))
	if err != nil {
		t.Fatal(err)
	}
	if err := fencing.Install(t.Context(), c, objects...); err != nil {
		t.Fatal(err)
	}
	lookForPolicies(t, c, objects)
	beacon := &v1alpha1.Beacon{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "fenced"}}
	if err := c.Create(t.Context(), beacon); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	logs, err := os.Create(filepath.Join(t.TempDir(), "log")) // a manager logs for a moment longer than it runs
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = logs.Close() }()
	go func() {
		ended <- run(ctx, []string{"--kubeconfig=" + kubeconfig, "--leader-elect", "--fencing", "--health-probe-bind-address=0"},
			slog.New(slog.NewTextHandler(io.MultiWriter(logs, t.Output()), nil)))
	}()
	eventually(t, "the Beacon has flashed twice", func(ctx context.Context) bool {
		return c.Get(ctx, client.ObjectKeyFromObject(beacon), beacon) == nil && beacon.Status.Flashes >= 2
	})
	if want := "pod-1_" + os.Getenv("POD_UID"); beacon.Status.LitBy != want {
		t.Errorf("the Beacon was lit by %q, want %q", beacon.Status.LitBy, want)
	}
	eventually(t, "a write with an older token is refused", func(ctx context.Context) bool {
		err := asPod.Status().Patch(ctx, beacon.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"status":{"token":"1"}}`)), client.DryRunAll)
		refusal, _ := fencing.RefusalOf(err)
		return refusal.Policy == fencing.Epoch
	})
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the operator was stopped, and returned %v", err)
	}
	if text, err := os.ReadFile(logs.Name()); err != nil || strings.Contains(string(text), "fencing policies") {
		t.Errorf("it complains about the policies, or %v", err)
	}
	eventually(t, "no replica may write when none leads", func(ctx context.Context) bool {
		err := asPod.Status().Patch(ctx, beacon.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"status":{"flashes":1}}`)), client.DryRunAll)
		refusal, _ := fencing.RefusalOf(err)
		return refusal.Policy == fencing.Holder
	})
}

// lookForPolicies gives the operator the right that config/fencing gives it.
func lookForPolicies(t *testing.T, c client.Client, objects []client.Object) {
	t.Helper()
	meta := metav1.ObjectMeta{Name: "fencing"}
	rule := rbacv1.PolicyRule{
		APIGroups: []string{"admissionregistration.k8s.io"}, Verbs: []string{"get"},
		Resources: []string{"validatingadmissionpolicies", "validatingadmissionpolicybindings"},
	}
	for _, object := range objects {
		rule.ResourceNames = append(rule.ResourceNames, object.GetName())
	}
	for _, object := range []client.Object{
		&rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{rule}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "controller-manager"}},
		},
	} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}
