// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/yaml"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager"
)

// TestTheLeaderServicePointsAtTheLeaderAlone hands over, and measures the time from the beginning of a term until a
// watcher sees the leader's address. The figures are logged: see -handovers.
func TestTheLeaderServicePointsAtTheLeaderAlone(t *testing.T) {
	ns := namespace(t)
	seen := watchServices(t, ns)
	var took []time.Duration
	var want []string
	var leader *reachable
	for i := range *handOvers + 1 {
		next := newReachable(t, ns, fmt.Sprintf("operator-%d", i), restConfig, nil, fmt.Sprintf("10.1.%d.%d", i/250, i%250+1))
		if leader != nil {
			eventually(t, "the next one stands by", func() bool { return next.Elector().GetLeader() != "" })
			if err := leader.stop(t); err != nil {
				t.Errorf("Start: %v", err)
			}
			want = append(want, "")
		}
		eventually(t, "the Service points at "+next.address, func() bool { return seen.says(ipv4) == next.address })
		want = append(want, next.address)
		all := seen.of(ipv4)
		took = append(took, all[len(all)-1].at.Sub(time.Unix(0, next.clock.began.Load())))
		leader = next
	}
	if err := leader.stop(t); err != nil {
		t.Errorf("Start: %v", err)
	}
	eventually(t, "the Lease is released", func() bool { return seen.says("lease") == "" })
	want = append(want, "")
	checkAddresses(t, seen, want)
	checkRemovedBeforeReleased(t, seen)

	logFigures(t, "a watcher saw the new leader's address after", took)
	logFigures(t, "by hand, a write of the EndpointSlice was seen after", editByHand(t, ns, seen, len(took)))
}

func logFigures(t *testing.T, what string, took []time.Duration) {
	t.Helper()
	slices.Sort(took)
	t.Logf("%s: p50 %v, p99 %v, max %v (n=%d)", what, took[len(took)/2], took[len(took)*99/100], took[len(took)-1], len(took))
}

// editByHand measures n times how long a watcher waits for what one request has written.
func editByHand(t *testing.T, ns string, seen *sightings, n int) (took []time.Duration) {
	t.Helper()
	client := kubernetes.NewForConfigOrDie(restConfig).DiscoveryV1().EndpointSlices(ns)
	slice, err := client.Get(t.Context(), ipv4, metav1.GetOptions{})
	for i := range n {
		if err != nil {
			t.Fatal(err)
		}
		address := fmt.Sprintf("10.2.%d.%d", i/250, i%250+1)
		slice.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{address}}}
		began := time.Now()
		slice, err = client.Update(t.Context(), slice, metav1.UpdateOptions{})
		eventually(t, "the edit is seen", func() bool { return seen.says(ipv4) == address })
		all := seen.of(ipv4)
		took = append(took, all[len(all)-1].at.Sub(began))
	}
	return took
}

// checkAddresses compares what the EndpointSlice has said, one after the other.
func checkAddresses(t *testing.T, seen *sightings, want []string) {
	t.Helper()
	var got []string
	for _, one := range seen.of(ipv4) {
		if strings.Contains(one.says, ",") {
			t.Errorf("two ready addresses at once: %s", one.says)
		}
		if len(got) == 0 || got[len(got)-1] != one.says {
			got = append(got, one.says)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the EndpointSlice said %q, want %q", got, want)
	}
}

// checkRemovedBeforeReleased compares the versions of the two objects, which are of one store.
func checkRemovedBeforeReleased(t *testing.T, seen *sightings) {
	t.Helper()
	var removed []sighting
	for _, one := range seen.of(ipv4) {
		if one.says == "" {
			removed = append(removed, one)
		}
	}
	released := 0
	for _, one := range seen.of("lease") {
		if one.says != "" {
			continue
		}
		if released == len(removed) {
			t.Errorf("%d releases, but the address was removed only %d times", released+1, len(removed))
			return
		}
		if order, err := removed[released].version.Compare(one.version); err != nil || order >= 0 {
			t.Errorf("the Lease was released at version %s, the address removed at %s", one.version, removed[released].version)
		}
		released++
	}
	if released != *handOvers+1 {
		t.Errorf("%d releases, want %d", released, *handOvers+1)
	}
}

func TestTheLeaderServiceIsRepairedButNotTakenFromALaterLeader(t *testing.T) {
	ns := namespace(t)
	seen := watchServices(t, ns)
	pod := createPod(t, ns, "operator-0", "10.1.0.1", "fd00::1")
	a := newReachable(t, ns, "operator-0", restConfig, nil, "10.1.0.1", "fd00::1")
	eventually(t, "the Service points at the leader", func() bool {
		return seen.says(ipv4) == "10.1.0.1" && seen.says(ipv6) == "fd00::1"
	})
	client := kubernetes.NewForConfigOrDie(restConfig).DiscoveryV1().EndpointSlices(ns)
	get := func(name string) *discoveryv1.EndpointSlice {
		slice, err := client.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return slice
	}
	edit := func(change func(*discoveryv1.EndpointSlice)) {
		t.Helper()
		slice := get(ipv4)
		change(slice)
		if _, err := client.Update(t.Context(), slice, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	slice, e := get(ipv4), get(ipv4).Endpoints[0]
	if slice.Labels[discoveryv1.LabelServiceName] != "leader" || *slice.Ports[0].Name != "https" || *slice.Ports[0].Port != 8443 ||
		len(slice.OwnerReferences) != 1 || slice.OwnerReferences[0].UID != pod.UID || e.TargetRef.UID != pod.UID || *e.NodeName != "node-1" {
		t.Errorf("the EndpointSlice is %+v", slice)
	}
	if v6 := get(ipv6); v6.AddressType != discoveryv1.AddressTypeIPv6 {
		t.Errorf("address type %s", v6.AddressType)
	}

	if err := client.Delete(t.Context(), ipv4, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a deleted EndpointSlice is there again", func() bool {
		all := seen.of(ipv4)
		return all[len(all)-1].says == "10.1.0.1" && slices.ContainsFunc(all, func(s sighting) bool { return s.says == "deleted" })
	})
	edit(func(s *discoveryv1.EndpointSlice) {
		s.Endpoints[0].Addresses = []string{"10.9.9.9"}
		s.Labels["team"] = "x"
	})
	eventually(t, "an edit is undone", func() bool { return readyAddresses(get(ipv4)) == "10.1.0.1" })
	if get(ipv4).Labels["team"] != "x" {
		t.Error("another's label is gone")
	}

	// As a later leader would, which this one has not heard of.
	edit(func(s *discoveryv1.EndpointSlice) {
		s.Annotations[elector.LeaderTokenAnnotation] = s.ResourceVersion
		s.Endpoints[0].Addresses = []string{"10.1.0.2"}
	})
	if err := a.stop(t); err != nil {
		t.Errorf("Start: %v", err)
	}
	if got := readyAddresses(get(ipv4)); got != "10.1.0.2" {
		t.Errorf("a later leader's address was replaced by %q", got)
	}
	if got := readyAddresses(get(ipv6)); got != "" {
		t.Errorf("of the other family %q was left", got)
	}
}

func TestAfterACrashTheLeaderServicePointsAtTheNextLeader(t *testing.T) {
	ns := namespace(t)
	seen := watchServices(t, ns)
	link, cut := newLink(t)
	a := newReachable(t, ns, "operator-0", cut, quickly, "10.1.0.1")
	eventually(t, "the Service points at the first leader", func() bool { return seen.says(ipv4) == "10.1.0.1" })
	b := newReachable(t, ns, "operator-1", restConfig, quickly, "10.1.0.2")
	eventually(t, "the other one stands by", func() bool { return b.Elector().GetLeader() != "" })
	if err := link.Leave(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the Service points at the next leader", func() bool { return seen.says(ipv4) == "10.1.0.2" })
	if err := link.ComeBack(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := leases(ns)
	eventually(t, "the first leader hears of the next", func() bool { return a.Elector().GetLeader() == *next.Spec.HolderIdentity })
	checkAddresses(t, seen, []string{"10.1.0.1", "10.1.0.2"})
}

func TestTheLogHasTheRoleThatTheLeaderServiceNeeds(t *testing.T) {
	ns := namespace(t)
	seen := watchServices(t, ns)
	own := rest.CopyConfig(restConfig)
	own.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + ns + ":operator", Groups: []string{"system:authenticated"}}
	var lines logLines
	newReachable(t, ns, "operator-0", own, func(o *ctrl.Options) {
		quickly(o)
		o.Logger = manager.NewLogr(slog.New(slog.NewJSONHandler(io.MultiWriter(&lines, t.Output()), nil)))
	}, "10.1.0.1")
	clientset := kubernetes.NewForConfigOrDie(restConfig)
	grant := func(message string) {
		t.Helper()
		var line map[string]any
		eventually(t, message, func() bool {
			line = lines.find(message)
			return line != nil
		})
		var role rbacv1.Role
		if err := yaml.UnmarshalStrict([]byte(line["grant"].(string)), &role); err != nil {
			t.Fatal(err)
		}
		if _, err := clientset.RbacV1().Roles(ns).Create(t.Context(), &role, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := clientset.RbacV1().RoleBindings(ns).Create(t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role.Name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ns, Name: "operator"}},
		}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	grant("lacks permissions on EndpointSlices")
	missing, _ := lines.find("lacks permissions on EndpointSlices")["missing"].([]any)
	if len(missing) == 0 || missing[len(missing)-1] != "create" {
		t.Errorf("the log names %q as missing, want create at the end", missing)
	}
	grant("lacks permissions on the Lease")
	eventually(t, "the Service points at the leader", func() bool { return seen.says(ipv4) == "10.1.0.1" })
}
