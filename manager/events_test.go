// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"github.com/kube-elector/elector/elector/leasetest"
)

// withCore is a leasetest client whose cluster takes Events, too.
type withCore struct {
	*leasetest.Client
	events *fake.Clientset
}

func (w withCore) CoreV1() corev1client.CoreV1Interface { return w.events.CoreV1() }

// recorded returns the Events in the cluster, in order.
func (w withCore) recorded(t *testing.T) (all []string) {
	t.Helper()
	for _, action := range w.events.Actions() {
		create, ok := action.(clienttesting.CreateAction)
		if !ok {
			t.Errorf("%v", action)
			continue
		}
		e := create.GetObject().(*corev1.Event)
		all = append(all, e.Namespace+"/"+e.InvolvedObject.Name+" "+e.Type+" "+e.Reason+": "+e.Message)
	}
	return all
}

func TestEventsAboutTheLeaseGoToItsCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := withCore{leasetest.NewServer().Client("a"), fake.NewClientset()}
		m, err := New(nowhere, testOptions(), WithClientset(w), WithIdentity("me"))
		if err != nil {
			t.Fatal(err)
		}
		run := begin(m.Start)
		<-m.Elected()
		run.stop()
		if err := run.wait(); err != nil {
			t.Error(err)
		}
		want := []string{
			"ns/lease Normal LeaderElection: me became leader",
			"ns/lease Normal LeaderElection: me stopped leading: elector stopped",
		}
		if got := w.recorded(t); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		afterwards()
	})
}

func TestEventsGoByLeaderElectionConfig(t *testing.T) {
	var j journal
	noting := func(host string) *rest.Config {
		return &rest.Config{Host: "http://" + host, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			j.add(r.Method + " " + r.URL.Host + r.URL.Path)
			return nowhere.Transport.RoundTrip(r)
		})}
	}
	o := testOptions()
	o.LeaderElectionConfig = noting("management")
	m, err := New(noting("workload"), o)
	if err != nil {
		t.Fatal(err)
	}
	m.events.Eventf(&corev1.ObjectReference{Kind: "Lease", Namespace: "ns", Name: "lease"}, nil, "Normal", "LeaderElection", "", "%s", "here")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m.events.run(ctx)
	j.expect(t, "POST management/api/v1/namespaces/ns/events")
}

func TestAnEventIsRecordedWhenTheAPIServerIsBack(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		tries int
	}{
		"away":    {errors.New("connection refused"), 4},
		"refused": {apierrors.NewForbidden(corev1.Resource("events"), "", nil), 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries, clientset := 0, fake.NewClientset()
				clientset.PrependReactor("create", "events", func(clienttesting.Action) (bool, runtime.Object, error) {
					tries++
					return tries < 4, nil, c.err
				})
				l, err := newLeaseEvents(clientset, nil, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					l.run(ctx)
				}()
				l.Eventf(&corev1.ObjectReference{Namespace: "ns", Name: "lease"}, nil, "Normal", "LeaderElection", "", "here")
				time.Sleep(time.Minute)
				cancel()
				<-done
				if tries != c.tries {
					t.Errorf("%d tries, want %d", tries, c.tries)
				}
			})
		})
	}
}

func TestTheEndDoesNotWaitForEventsThatCannotBeRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clientset := fake.NewClientset()
		clientset.PrependReactor("create", "events", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, errors.New("connection refused")
		})
		m, err := New(nowhere, testOptions(), WithClientset(withCore{leasetest.NewServer().Client("a"), clientset}))
		if err != nil {
			t.Fatal(err)
		}
		run := begin(m.Start)
		<-m.Elected()
		before := time.Now()
		run.stop()
		if err := run.wait(); err != nil {
			t.Error(err)
		}
		if took := time.Since(before); took > 2*lastEvents {
			t.Errorf("Start returned after %v", took)
		}
		afterwards()
	})
}
