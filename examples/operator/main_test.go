// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/kube-elector/elector/examples/operator/api/v1alpha1"
	operatorconfig "github.com/kube-elector/elector/examples/operator/config"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	goleak.VerifyTestMain(m)
}

const (
	patience  = time.Minute
	namespace = "system" // as in config, before kustomize names it
)

// controlPlane starts one that has the operator's CRD, and returns an administrator's client.
func controlPlane(t *testing.T) (*envtest.Environment, client.Client) {
	t.Helper()
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		dir = filepath.FromSlash("../../bin/envtest")
	}
	if _, err := os.Stat(filepath.Join(dir, "kube-apiserver")); err != nil {
		t.Fatalf("there is no control plane to test with (%v): run make envtest", err)
	}
	crd, err := operatorconfig.CRD()
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	env := &envtest.Environment{BinaryAssetsDirectory: dir, CRDs: []*apiextensionsv1.CustomResourceDefinition{crd}}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	cfg, err := env.Start()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(cfg, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	return env, c
}

// applyRBAC makes what is in config/rbac.
func applyRBAC(t *testing.T, c client.Client) {
	t.Helper()
	files, err := fs.Glob(operatorconfig.Files, "rbac/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "kustomization.yaml") {
			continue
		}
		text, err := operatorconfig.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var obj unstructured.Unstructured
		if err := yaml.Unmarshal(text, &obj); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := c.Create(t.Context(), &obj); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// kubeconfig writes one of the operator's service account.
func kubeconfig(t *testing.T, env *envtest.Environment) string {
	t.Helper()
	user, err := env.AddUser(envtest.User{Name: "system:serviceaccount:" + namespace + ":controller-manager"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	return write(t, string(text))
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// eventually waits until ok returns true.
func eventually(t *testing.T, what string, ok func(ctx context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !ok(ctx) {
		if ctx.Err() != nil {
			t.Fatalf("after %v it is not so that %s", patience, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestOperatorOnARealAPIServer(t *testing.T) {
	env, c := controlPlane(t)
	t.Run("interval that is too short is refused", func(t *testing.T) {
		err := c.Create(t.Context(), &v1alpha1.Beacon{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "hasty"},
			Spec:       v1alpha1.BeaconSpec{Interval: metav1.Duration{Duration: time.Millisecond}},
		})
		if err == nil || !strings.Contains(err.Error(), "must be at least 100ms") {
			t.Errorf("an interval of 1ms: %v", err)
		}
	})
	t.Run("works with the rights that its manifests give, and no others", func(t *testing.T) { works(t, env, c) })
	t.Run("works fenced", func(t *testing.T) { isFenced(t, env, c) })
}

func works(t *testing.T, env *envtest.Environment, c client.Client) {
	applyRBAC(t, c)
	beacon := &v1alpha1.Beacon{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "harbour"}}
	if err := c.Create(t.Context(), beacon); err != nil {
		t.Fatal(err)
	}
	if beacon.Spec.Interval.Duration != time.Second {
		t.Errorf("the API server made the interval %v by default, want 1s", beacon.Spec.Interval.Duration)
	}
	t.Setenv("POD_NAME", "pod-0")
	t.Setenv("POD_NAMESPACE", namespace)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"--kubeconfig=" + kubeconfig(t, env), "--leader-elect", "--health-probe-bind-address=0"},
			slog.New(slog.NewTextHandler(t.Output(), nil)))
	}()
	eventually(t, "the Beacon has flashed twice", func(ctx context.Context) bool {
		return c.Get(ctx, client.ObjectKeyFromObject(beacon), beacon) == nil && beacon.Status.Flashes >= 2
	})
	lease := &coordinationv1.Lease{}
	key := client.ObjectKey{Namespace: namespace, Name: operatorconfig.LeaseName}
	if err := c.Get(t.Context(), key, lease); err != nil {
		t.Fatal(err)
	}
	if by := beacon.Status.LitBy; !strings.HasPrefix(by, "pod-0_") || by != *lease.Spec.HolderIdentity || beacon.Status.Token == "" {
		t.Errorf("the Beacon was lit by %q with token %q, the lease is held by %q", by, beacon.Status.Token, *lease.Spec.HolderIdentity)
	}
	eventually(t, "an Event says who leads", func(ctx context.Context) bool {
		var events corev1.EventList
		if err := c.List(ctx, &events, client.InNamespace(namespace)); err != nil {
			return false
		}
		for _, e := range events.Items {
			if e.InvolvedObject.Name == operatorconfig.LeaseName && strings.Contains(e.Message, "pod-0_") {
				return true
			}
		}
		return false
	})
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the operator was stopped, and returned %v", err)
	}
	if err := c.Get(t.Context(), key, lease); err != nil || *lease.Spec.HolderIdentity != "" {
		t.Errorf("the lease was not released: its holder is %q, %v", *lease.Spec.HolderIdentity, err)
	}
}

func TestWhatCannotWorkIsRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	kubeconfig := write(t, "apiVersion: v1\nkind: Config\ncurrent-context: x\n"+
		"clusters: [{name: x, cluster: {server: 'http://127.0.0.1:1'}}]\n"+
		"contexts: [{name: x, context: {cluster: x, user: x}}]\nusers: [{name: x, user: {}}]\n")
	for name, test := range map[string]struct {
		args string
		want string
	}{
		"taken port":       {"--health-probe-bind-address=" + taken.Addr().String(), "address already in use"},
		"port of metrics":  {"--metrics-bind-address=" + taken.Addr().String(), "address already in use"},
		"absurd durations": {"--leader-elect-lease-duration=1ns", "must be at least 10ms"},
		"no namespace":     {"--leader-elect-resource-namespace=", "LeaderElectionNamespace"},
		"no lease name":    {"--leader-elect-resource-name=", "LeaderElectionID"},
		"no kubeconfig":    {"--kubeconfig=/nowhere", "/nowhere"},
		"an argument":      {"leader", `unexpected argument "leader"`},
		"an unknown flag":  {"--leader", "-leader"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("POD_NAMESPACE", namespace)
			err := run(t.Context(), []string{"--kubeconfig=" + kubeconfig, "--leader-elect", "--health-probe-bind-address=0", test.args}, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want one that says %q", err, test.want)
			}
		})
	}
}
