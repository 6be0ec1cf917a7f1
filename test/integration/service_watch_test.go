// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager"
)

// sighting is a version of an EndpointSlice, or of the Lease, as a watcher saw it.
type sighting struct {
	at      time.Time
	name    string
	version elector.Token
	says    string // the ready addresses, or the holder
}

// sightings is what a watcher has seen, in order.
type sightings struct {
	mu  sync.Mutex
	all []sighting
}

func (s *sightings) of(name string) (seen []sighting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		if one.name == name {
			seen = append(seen, one)
		}
	}
	return seen
}

// says returns what the object of this name said last.
func (s *sightings) says(name string) string {
	seen := s.of(name)
	if len(seen) == 0 {
		return "nothing"
	}
	return seen[len(seen)-1].says
}

const ipv4, ipv6 = "leader-ipv4", "leader-ipv6"

// readyAddresses returns what a proxy would send requests to.
func readyAddresses(slice *discoveryv1.EndpointSlice) string {
	var all []string
	for _, e := range slice.Endpoints {
		if e.Conditions.Ready == nil || *e.Conditions.Ready {
			all = append(all, e.Addresses...)
		}
	}
	return strings.Join(all, ",")
}

// watchServices watches the EndpointSlices and the Lease until the test ends.
func watchServices(t *testing.T, ns string) *sightings {
	t.Helper()
	s, clientset := &sightings{}, kubernetes.NewForConfigOrDie(restConfig)
	slicesSeen, err := clientset.DiscoveryV1().EndpointSlices(ns).Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	leasesSeen, err := clientset.CoordinationV1().Leases(ns).Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for _, stream := range []watch.Interface{slicesSeen, leasesSeen} {
		group.Go(func() {
			for event := range stream.ResultChan() {
				one := sighting{at: time.Now()}
				switch o := event.Object.(type) {
				case *discoveryv1.EndpointSlice:
					one.name, one.version, one.says = o.Name, elector.Token(o.ResourceVersion), readyAddresses(o)
				case *coordinationv1.Lease:
					one.name, one.version, one.says = o.Name, elector.Token(o.ResourceVersion), elector.ReadLease(o).Holder
				}
				if event.Type == watch.Deleted {
					one.says = "deleted"
				}
				s.mu.Lock()
				s.all = append(s.all, one)
				s.mu.Unlock()
			}
		})
	}
	t.Cleanup(func() {
		slicesSeen.Stop()
		leasesSeen.Stop()
		group.Wait()
	})
	return s
}

// reachable is a replica that its leader's Service can point at.
type reachable struct {
	*replica
	*manager.Manager
	address string
	clock   *termClock
}

// newReachable starts a replica whose pod has the addresses.
func newReachable(t *testing.T, ns, name string, config *rest.Config, change func(*ctrl.Options), addresses ...string) *reachable {
	t.Helper()
	t.Setenv("POD_NAME", name)
	t.Setenv("POD_UID", "")
	t.Setenv("POD_IP", "")
	t.Setenv("POD_IPS", strings.Join(addresses, ","))
	r := &reachable{address: addresses[0], clock: &termClock{
		Handler: slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}), terms: map[elector.Token]time.Duration{},
	}}
	options := managerOptions(t, ns)
	options.Logger = manager.NewLogr(slog.New(r.clock))
	if change != nil {
		change(&options)
	}
	var err error
	if r.Manager, err = manager.New(config, options, manager.WithLeaderService("leader", manager.LeaderPort{Name: "https", Port: 8443})); err != nil {
		t.Fatal(err)
	}
	r.replica = start(t, r.Manager)
	return r
}

// createPod creates the Pod of a replica, which garbage collection would know.
func createPod(t *testing.T, ns, name string, addresses ...string) *corev1.Pod {
	t.Helper()
	pods := kubernetes.NewForConfigOrDie(restConfig).CoreV1().Pods(ns)
	pod, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{{Name: "manager", Image: "operator"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod.Status.PodIP = addresses[0]
	for _, a := range addresses {
		pod.Status.PodIPs = append(pod.Status.PodIPs, corev1.PodIP{IP: a})
	}
	if pod, err = pods.UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	return pod
}
