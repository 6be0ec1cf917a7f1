// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/manager/fencing"
)

// pluginTests are what the plugin is tried with.
var pluginTests = map[string]func(*testing.T, *plugin){
	"ListsWithOneRequest":           pluginLists,
	"LeavesOutHeartbeats":           pluginHeartbeats,
	"TellsAllAboutALease":           pluginDetails,
	"KnowsOtherPrograms":            pluginOthers,
	"TellsWhichPoliciesAreInForce":  pluginFencing,
	"ChecksACandidatesPermissions":  pluginPermissions,
	"NamesTheMissingPermission":     pluginForbidden,
	"PrintsHelpAndRefusesBadInput":  pluginUsage,
	"StepsALeaderDownWhileWatching": pluginStepDown,
	"RunsEveryCommandOfThePages":    pluginPages,
}

// The plugin is built once, and each command is run against the real API server.
func TestPlugin(t *testing.T) {
	p := buildPlugin(t)
	maps.Copy(pluginTests, terminalTests)
	for name, test := range pluginTests {
		t.Run(name, func(t *testing.T) { test(t, p) })
	}
}

// putLease creates a Lease as client-go does.
func putLease(t *testing.T, namespace, name, holder string, change ...func(*coordinationv1.Lease)) {
	t.Helper()
	now := metav1.NowMicro()
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &holder, LeaseDurationSeconds: ptr.To[int32](15), LeaseTransitions: ptr.To[int32](1),
			AcquireTime: &now, RenewTime: &now,
		},
	}
	for _, f := range change {
		f(lease)
	}
	api := kubernetes.NewForConfigOrDie(restConfig).CoordinationV1().Leases(namespace)
	if _, err := api.Create(t.Context(), lease, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func pluginLists(t *testing.T, p *plugin) {
	const spaces, each = 20, 10
	var names []string
	for range spaces {
		ns := namespace(t)
		names = append(names, ns)
		for i := range each {
			putLease(t, ns, fmt.Sprintf("counted-%d", i), "a")
		}
	}
	fastest := time.Hour
	for range 5 {
		began := time.Now()
		r := p.run(t, "", "status", "-A")
		fastest = min(fastest, time.Since(began))
		r.want(t, 0, names[spaces-1], "")
		if n := strings.Count(r.out, "counted-"); n != spaces*each || len(r.requests) != pages(t) {
			t.Fatalf("%d of %d Leases by the requests %q", n, spaces*each, r.requests)
		}
		if fastest < time.Second {
			break
		}
	}
	t.Logf("%d Leases in %d namespaces: %v", spaces*each, spaces, fastest)
	if fastest > time.Second {
		t.Errorf("it takes %v, want 1s at most", fastest)
	}
	for _, ns := range names {
		r := p.run(t, "", "status", "-n", ns)
		if r.want(t, 0, "counted-9", ""); len(r.requests) != 1 {
			t.Errorf("%d requests for a namespace: %q", len(r.requests), r.requests)
		}
	}
	r := p.run(t, names[0], "status", "-A", "-o", "json")
	var list struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(r.out), &list); err != nil || len(list.Items) < spaces*each || r.lists() != pages(t) || len(r.requests) != pages(t)+2 {
		t.Errorf("%d Leases in JSON, %v, with the requests %q", len(list.Items), err, r.requests)
	}
}

// pages returns how many requests it takes to list all Leases but heartbeats, 500 by each. Other tests leave Leases.
func pages(t *testing.T) int {
	t.Helper()
	api := kubernetes.NewForConfigOrDie(restConfig).CoordinationV1().Leases("")
	list, err := api.List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.namespace!=kube-node-lease"})
	if err != nil {
		t.Fatal(err)
	}
	return max(1, (len(list.Items)+499)/500)
}

func pluginHeartbeats(t *testing.T, p *plugin) {
	const nodes = 501 // more than fit into one reply
	for i := range nodes {
		name := fmt.Sprintf("node-%d", i)
		putLease(t, "kube-node-lease", name, name)
	}
	t.Cleanup(func() {
		api := kubernetes.NewForConfigOrDie(restConfig).CoordinationV1().Leases("kube-node-lease")
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := api.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
			t.Error(err)
		}
	})
	r := p.run(t, "", "status", "-A")
	if r.want(t, 0, "", "Heartbeats of nodes and API servers are left out"); strings.Contains(r.out, "node-1") || len(r.requests) != pages(t) {
		t.Errorf("heartbeats are listed, or read, by the requests %q:\n%.500s", r.requests, r.out)
	}
	r = p.run(t, "", "status", "-n", "kube-node-lease")
	if lines := strings.Count(r.out, "\n"); lines != nodes+1 || r.lists() != 2 {
		t.Errorf("%d lines in %d lists, want %d Leases in pages of 500", lines, r.lists(), nodes)
	}
	p.run(t, "", "status", "-n", "kube-system").want(t, 0, "", "left out: see --heartbeats")
	p.run(t, "", "status", "-n", "kube-system", "--heartbeats").want(t, 0, "apiserver-", "")
}

func pluginDetails(t *testing.T, p *plugin) {
	ns := namespace(t)
	a := startCandidate(t, restConfig, ns, "a", fast)
	token := a.leads().Token
	var got struct {
		Namespace, Name, Kind, State, Holder, Token string
		ObeysStepDown                               bool
		LapsesInSeconds                             float64
	}
	eventually(t, "the token in the Lease", func() bool {
		r := p.run(t, ns, "status", "lease", "-o", "json")
		if err := json.Unmarshal([]byte(r.out), &got); err != nil {
			t.Fatal(err)
		}
		return got.Token != ""
	})
	if got.Namespace != ns || got.Name != "lease" || got.Kind != "elector" || got.State != "held" || got.Holder != "a" ||
		got.Token != string(token) || !got.ObeysStepDown || got.LapsesInSeconds <= 0 || got.LapsesInSeconds > 3 {
		t.Errorf("the leader's token is %s, and its Lease %+v", token, got)
	}
	p.run(t, "other", "status", "leases/lease", "-n", ns).want(t, 0, "Holder       a\n", "")
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	p.run(t, ns, "status", "lease").want(t, 0, "Last term    released, ", "")
	p.run(t, ns, "status", "none").want(t, 1, "", `error: there is no Lease "none" in namespace "`+ns+`"`)
	p.run(t, "", "status").want(t, 0, "", "No elections found in namespace default.")
}

func pluginOthers(t *testing.T, p *plugin) {
	ns := namespace(t)
	putLease(t, ns, "plain", "c")
	putLease(t, ns, "evil", "a\x1b[2J\nb\u202e")
	putLease(t, ns, "empty", "", func(l *coordinationv1.Lease) { l.Spec = coordinationv1.LeaseSpec{} })
	r := p.run(t, ns, "status")
	r.want(t, 0, `a\x1b[2J\x0ab\u202e`, "")
	if strings.Contains(r.out, "\x1b") || strings.Count(r.out, "\n") != 4 {
		t.Errorf("the terminal gets what is in the Lease:\n%q", r.out)
	}
	p.run(t, ns, "status", "plain").want(t, 0, "of another program, such as client-go", "")
	before := fmt.Sprint(leaseNamed(t, ns, "plain"))
	p.run(t, ns, "step-down", "plain").want(t, 3, "c cannot be asked", "")
	if after := fmt.Sprint(leaseNamed(t, ns, "plain")); after != before {
		t.Errorf("the Lease was written:\n%s\n%s", before, after)
	}
}

func leaseNamed(t *testing.T, namespace, name string) *coordinationv1.Lease {
	t.Helper()
	lease, err := kubernetes.NewForConfigOrDie(restConfig).CoordinationV1().Leases(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

// The policy holder is installed without its binding, because no binding of it may vanish from an API server that other
// tests use.
func pluginFencing(t *testing.T, p *plugin) {
	ns := namespace(t)
	putLease(t, ns, "plain", "c")
	p.run(t, ns, "status", "plain").want(t, 0, "Fencing      none\n", "")
	objects, err := fencing.Objects(fencing.Settings{
		Lease: types.NamespacedName{Namespace: ns, Name: "plain"}, ServiceAccount: types.NamespacedName{Namespace: ns, Name: "nobody"},
		Resources: []admissionv1.Rule{{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	admin, err := client.New(restConfig, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if _, isBinding := object.(*admissionv1.ValidatingAdmissionPolicyBinding); object.GetName() == fencing.KeeperName ||
			isBinding && strings.HasPrefix(object.GetName(), "holder.") {
			continue
		}
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			if err := admin.Delete(ctx, object); err != nil {
				t.Error(err)
			}
		})
	}
	p.run(t, ns, "status", "plain").want(t, 0, "Fencing      epoch, guard, holder (not enforced)\n", "")
	p.run(t, ns, "status", "-o", "wide").want(t, 0, "epoch, guard, holder (not enforced)\n", "")
}
