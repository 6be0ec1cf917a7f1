// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	discoveryclient "k8s.io/client-go/kubernetes/typed/discovery/v1"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

// withSlices is a leasetest client whose cluster has EndpointSlices, too.
type withSlices struct {
	withCore
	until <-chan struct{} // see hungSlices
}

func (w withSlices) DiscoveryV1() discoveryclient.DiscoveryV1Interface {
	return withHungSlices{w.events.DiscoveryV1(), w.until}
}

type withHungSlices struct {
	discoveryclient.DiscoveryV1Interface
	until <-chan struct{}
}

func (w withHungSlices) EndpointSlices(namespace string) discoveryclient.EndpointSliceInterface {
	return hungSlices{w.DiscoveryV1Interface.EndpointSlices(namespace), w.until}
}

// hungSlices creates none before the channel is closed, whatever the context says.
type hungSlices struct {
	discoveryclient.EndpointSliceInterface
	until <-chan struct{}
}

func (h hungSlices) Create(_ context.Context, slice *discoveryv1.EndpointSlice, o metav1.CreateOptions) (*discoveryv1.EndpointSlice, error) {
	<-h.until
	return h.EndpointSliceInterface.Create(context.Background(), slice, o)
}

// newServing makes a Manager with the Service "web" on 10.0.0.1.
func newServing(t *testing.T, server *leasetest.Server, cluster *fake.Clientset, until <-chan struct{}, log *slog.Logger) *Manager {
	t.Helper()
	t.Setenv("POD_IP", "10.0.0.1")
	o := testOptions()
	o.Logger = logr.FromSlogHandler(log.Handler())
	m, err := New(nowhere, o, WithClientset(withSlices{withCore{server.Client("a"), cluster}, until}), WithLeaderService("web", LeaderPort{Port: 80}))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAnEndpointSliceRequestThatIgnoresItsContextDelaysTheReleaseByHalfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var buffer logged
		until := make(chan struct{})
		server := leasetest.NewServer()
		m := newServing(t, server, fake.NewClientset(), until, slog.New(slog.NewTextHandler(&buffer, nil)))
		mustAdd(t, m, j.worker("gated", atOnce))
		run := begin(m.Start)
		<-m.Elected()
		pass(time.Second)
		run.stop()
		pass(removalTimeout)
		if holder(server) != "" {
			t.Errorf("not released after %v", removalTimeout)
		}
		at := time.Now()
		if err := run.wait(); err != nil || time.Since(at) > time.Second {
			t.Errorf("Start: %v after %v more", err, time.Since(at))
		}
		close(until)
		afterwards()
		if !strings.Contains(buffer.String(), "ignores its context") {
			t.Errorf("not logged:\n%s", buffer.String())
		}
	})
}

// A former leader that had both families has crashed, and this one has only one.
func TestAFormerLeadersAddressOfAnotherFamilyIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		former := &publisher{service: leaderService{"web", []LeaderPort{{Port: 80}}}, family: discoveryv1.AddressTypeIPv6, name: "web-ipv6"}
		left := former.endpointSlice(nil, place{addresses: addresses{discoveryv1.AddressTypeIPv6: "fd00::1"}}, "1", true)
		left.Namespace = "ns"
		until := make(chan struct{})
		close(until)
		for _, cluster := range []*fake.Clientset{fake.NewClientset(left), fake.NewClientset()} {
			m := newServing(t, leasetest.NewServer(), cluster, until, quiet)
			run := begin(m.Start)
			<-m.Elected()
			pass(time.Second)
			slices := cluster.DiscoveryV1().EndpointSlices("ns")
			if v4, err := slices.Get(t.Context(), "web-ipv4", metav1.GetOptions{}); err != nil || len(v4.Endpoints) != 1 {
				t.Errorf("web-ipv4: %+v, %v", v4, err)
			}
			v6, err := slices.Get(t.Context(), "web-ipv6", metav1.GetOptions{})
			if !apierrors.IsNotFound(err) && (err != nil || len(v6.Endpoints) != 0) {
				t.Errorf("web-ipv6: %+v, %v", v6, err)
			}
			run.stop()
			if err := run.wait(); err != nil {
				t.Errorf("Start: %v", err)
			}
			afterwards()
		}
	})
}

func TestALeaderWhoseServiceNeverPointedAtItDoesNotLogThatItDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var buffer logged
		p := &publisher{
			name: "web-ipv4", family: discoveryv1.AddressTypeIPv4, service: leaderService{"web", []LeaderPort{{Port: 80}}},
			log: slog.New(slog.NewTextHandler(&buffer, nil)), changed: make(chan struct{}),
		}
		p.saw(&discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
			ResourceVersion: "50", Annotations: map[string]string{elector.LeaderTokenAnnotation: "40"},
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			p.keep(ctx, place{addresses: addresses{discoveryv1.AddressTypeIPv4: "10.0.0.1"}}, "20")
		}()
		pass(time.Hour)
		cancel()
		<-ended
		if n := strings.Count(buffer.String(), "the Service does not point at this leader"); n != 1 || !strings.Contains(buffer.String(), errLaterTerm.Error()) {
			t.Errorf("logged %d times that it does not:\n%s", n, buffer.String())
		}
		if strings.Contains(buffer.String(), "the Service points at this leader") {
			t.Errorf("logged that it does:\n%s", buffer.String())
		}
	})
}
