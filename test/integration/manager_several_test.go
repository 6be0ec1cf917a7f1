// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/kube-elector/elector/manager"
)

// Managers of one process with Leases of their own lead, lose and stop each by itself, beside webhooks that never stop.
func TestManagersWithDifferentLeasesInOneProcess(t *testing.T) {
	ns, second := namespace(t), namespace(t)
	createConfigMaps(t, ns, "one")
	createConfigMaps(t, second, "two")
	webhooks := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: freePort(t), CertDir: certificates(t)})
	var cut atomic.Bool
	newOne := func(lease string, webhooks webhook.Server, cut *atomic.Bool) (*manager.Manager, *journal) {
		m := newManager(t, ns, func(o *ctrl.Options) {
			onLink(cut)(o)
			o.LeaderElectionID, o.WebhookServer = lease, webhooks
			o.Cache.DefaultNamespaces[second] = cache.Config{}
		}, manager.WithReElection())
		j := &journal{}
		if err := setupNamed(m, lease, func(_ context.Context, r reconcile.Request) (reconcile.Result, error) {
			j.add(r.Name)
			return reconcile.Result{}, nil
		}); err != nil {
			t.Fatal(err)
		}
		return m, j
	}
	losing, didLosing := newOne("lease", webhooks, &cut)
	losing.GetWebhookServer().Register("/admit", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	keeping, didKeeping := newOne("other", nil, &atomic.Bool{})
	a, b := start(t, losing), start(t, keeping)
	lost, kept := leading(t, losing), leading(t, keeping)
	for _, did := range []*journal{didLosing, didKeeping} {
		eventually(t, "the first reconciles", func() bool { return did.has("one") && did.has("two") })
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // made for this test
	defer client.CloseIdleConnections()
	admitted := func() bool {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			fmt.Sprintf("https://127.0.0.1:%d/admit", webhooks.(*webhook.DefaultServer).Options.Port), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		return err == nil && errors.Join(answer.Body.Close()) == nil && answer.StatusCode == http.StatusTeapot
	}
	eventually(t, "the webhook", admitted)

	cut.Store(true) // only its watch goes on
	deleteLease(t, ns)
	eventually(t, "the end of a term", func() bool { return !losing.Elector().IsLeader() })
	didLosing.forget()
	createConfigMaps(t, second, "three")
	eventually(t, "a reconcile by the manager that leads on", func() bool { return didKeeping.has("three") })
	if !admitted() {
		t.Error("the webhook has ended with the term")
	}
	if measured(t, "elector_leading", "lease_name", "other") != 1 || measured(t, "elector_leading", "lease_name", "lease") != 0 {
		t.Error("elector_leading of the two Leases is not what they are")
	}
	cut.Store(false)
	if again := leading(t, losing); again == lost {
		t.Error("the term that was lost goes on")
	}
	eventually(t, "the reconciles of the next term", func() bool {
		return didLosing.has("one") && didLosing.has("two") && didLosing.has("three")
	})
	if err := a.stop(t); err != nil {
		t.Errorf("Start: %v", err)
	}
	createConfigMaps(t, ns, "four")
	eventually(t, "a reconcile by the manager that is left", func() bool { return didKeeping.has("four") })
	if token := leading(t, keeping); token != kept {
		t.Errorf("the term of the other Lease has changed from %s to %s", kept, token)
	}
	if err := b.stop(t); err != nil {
		t.Errorf("Start: %v", err)
	}
}
