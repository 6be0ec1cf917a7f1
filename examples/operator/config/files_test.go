// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/shards"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// document reads the manifest of that kind from a file.
func document[T any](t *testing.T, name, kind string) T {
	t.Helper()
	text, err := Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for part := range bytes.SplitSeq(text, []byte("\n---\n")) {
		var meta struct{ Kind string }
		if err := yaml.Unmarshal(part, &meta); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if meta.Kind == kind {
			var obj T
			if err := yaml.UnmarshalStrict(part, &obj); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return obj
		}
	}
	t.Fatalf("%s has no %s", name, kind)
	panic("unreachable")
}

func TestRoleIsLimitedToTheOneLease(t *testing.T) {
	role := document[rbacv1.Role](t, "rbac/leader_election_role.yaml", "Role")
	var lease []rbacv1.PolicyRule
	for _, rule := range role.Rules {
		if slices.Contains(rule.Resources, "leases") {
			lease = append(lease, rule)
		}
	}
	if len(lease) != 2 {
		t.Fatalf("there are %d rules about leases, want 2: %+v", len(lease), lease)
	}
	for _, rule := range lease {
		want := []string{"create"}
		if slices.Equal(rule.ResourceNames, []string{LeaseName}) {
			want = []string{"get", "update", "watch"}
		}
		if !slices.Equal(rule.Verbs, want) {
			t.Errorf("%q is allowed of the leases %q, want %q", rule.Verbs, rule.ResourceNames, want)
		}
	}
}

func TestRoleAllowsTheEndpointSlicesOfTheLeaderService(t *testing.T) {
	service := document[corev1.Service](t, "prometheus/leader_service.yaml", "Service")
	if name := "beacon-operator-" + service.Name; name != LeaderService || service.Spec.Selector != nil {
		t.Errorf("the Service is %s with selector %v, want %s without", name, service.Spec.Selector, LeaderService)
	}
	role := document[rbacv1.Role](t, "rbac/leader_election_role.yaml", "Role")
	for _, rule := range role.Rules {
		if slices.Equal(rule.ResourceNames, []string{LeaderService + "-ipv4", LeaderService + "-ipv6"}) &&
			slices.Equal(rule.Resources, []string{"endpointslices"}) && slices.Equal(rule.Verbs, []string{"get", "list", "watch", "update"}) {
			return
		}
	}
	t.Errorf("no rule allows the EndpointSlices of %s: %+v", LeaderService, role.Rules)
}

func TestRoleAndDeploymentAllowCrashDetection(t *testing.T) {
	role := document[rbacv1.Role](t, "rbac/leader_election_role.yaml", "Role")
	if !slices.ContainsFunc(role.Rules, func(rule rbacv1.PolicyRule) bool {
		return slices.Equal(rule.Resources, []string{"pods"}) && len(rule.ResourceNames) == 0 && slices.Equal(rule.Verbs, []string{"get", "watch"})
	}) {
		t.Errorf("no rule allows to get and watch Pods: %+v", role.Rules)
	}
	pod := document[appsv1.Deployment](t, "manager/manager.yaml", "Deployment").Spec.Template.Spec
	uid := ""
	for _, env := range pod.Containers[0].Env {
		if env.Name == "POD_UID" {
			uid = env.ValueFrom.FieldRef.FieldPath
		}
	}
	if uid != "metadata.uid" || !slices.Contains(pod.Containers[0].Args, "--crash-detection") || pod.HostPID || pod.ShareProcessNamespace != nil {
		t.Errorf("POD_UID is %q, the arguments %q", uid, pod.Containers[0].Args)
	}
}

func TestDeploymentTellsEachOfThreeReplicasItsNameAndNamespace(t *testing.T) {
	deployment := document[appsv1.Deployment](t, "manager/manager.yaml", "Deployment")
	if n := *deployment.Spec.Replicas; n != 3 {
		t.Errorf("it has %d replicas, want 3", n)
	}
	pod := deployment.Spec.Template.Spec
	fields := map[string]string{}
	for _, env := range pod.Containers[0].Env {
		fields[env.Name] = env.ValueFrom.FieldRef.FieldPath
	}
	if fields["POD_NAME"] != "metadata.name" || fields["POD_NAMESPACE"] != "metadata.namespace" {
		t.Errorf("the environment has %v", fields)
	}
	if !slices.Contains(pod.Containers[0].Args, "--leader-elect") {
		t.Errorf("the arguments %q do not turn the election on", pod.Containers[0].Args)
	}
	if grace, drain := *pod.TerminationGracePeriodSeconds, int64(elector.DefaultDrainTimeout.Seconds()); grace <= drain {
		t.Errorf("a pod is killed after %ds, but may take %ds to stop its work", grace, drain)
	}
}

// metricNames are those of the metrics that every replica has, as a scrape names them, and those that there are only
// with shards.
func metricNames(t *testing.T) (names, ofShards map[string]bool) {
	t.Helper()
	config := elector.Config{LeaseName: "a", LeaseNamespace: "b", Enabled: true}
	e, err := elector.New(&config, fake.NewClientset(), elector.Callbacks{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := shards.New(&config, 1, fake.NewClientset(), shards.Callbacks{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	names, ofShards = namesOf(e.Collector()), namesOf(s.Collector())
	// The manager's own: its tests see them change.
	names["elector_refused_writes_total"] = true
	names["elector_missing_permissions"] = true
	ofShards["elector_parked_requests"] = true
	return names, ofShards
}

func namesOf(c prometheus.Collector) map[string]bool {
	descs := make(chan *prometheus.Desc, 100)
	c.Describe(descs)
	close(descs)
	names := map[string]bool{}
	quoted := regexp.MustCompile(`fqName: "([a-z_]+)"`)
	for desc := range descs {
		name := quoted.FindStringSubmatch(desc.String())[1]
		names[name] = true
		if strings.HasSuffix(name, "_duration_seconds") {
			names[name+"_bucket"] = true
		}
	}
	return names
}

func TestDashboardAndRulesUseMetricsThatThereAreAndAllOfThem(t *testing.T) {
	names, ofShards := metricNames(t)
	metric := regexp.MustCompile(`\belector_[a-z_]+`)
	for _, file := range []string{"prometheus/rules.yaml", "grafana/dashboard.json"} {
		text, err := Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		used := map[string]bool{}
		for _, name := range metric.FindAllString(string(text), -1) {
			used[strings.TrimSuffix(name, "_bucket")] = true
			if !names[name] && !ofShards[name] {
				t.Errorf("%s uses %s, which no Elector has; there are %v", file, name, names)
			}
		}
		for _, name := range []string{"elector_shards_unowned_seconds", "elector_shards_refused"} {
			if !used[name] {
				t.Errorf("%s does not use %s", file, name)
			}
		}
		for name := range names {
			if !used[strings.TrimSuffix(name, "_bucket")] {
				t.Errorf("%s does not use %s", file, name)
			}
		}
	}
}

func TestEveryManifestIsWellFormed(t *testing.T) {
	var n int
	err := fs.WalkDir(Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := Files.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		if strings.HasSuffix(path, ".json") {
			if !json.Valid(text) {
				t.Errorf("%s is no JSON", path)
			}
			return nil
		}
		for part := range bytes.SplitSeq(text, []byte("\n---\n")) {
			var obj map[string]any
			if err := yaml.UnmarshalStrict(part, &obj); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		return nil
	})
	if err != nil || n < 15 {
		t.Errorf("%d manifests were read: %v", n, err)
	}
}

func TestCRDHasTheTypesGroupAndKind(t *testing.T) {
	crd, err := CRD()
	if err != nil {
		t.Fatal(err)
	}
	if crd.Spec.Group != "demo.kube-elector.io" || crd.Spec.Names.Kind != "Beacon" || crd.Spec.Versions[0].Subresources.Status == nil {
		t.Errorf("it is of %s %+v", crd.Spec.Group, crd.Spec.Names)
	}
}
