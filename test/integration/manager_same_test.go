// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	crmanager "sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// same is what controller-runtime's manager and ours do alike.
var same = map[string]behaviour{
	"a plain function runs on the leader": {
		run: func(m *maker) string {
			ran := make(chan struct{})
			m.leader(nil, signal(ran))
			return came(m.t, ran)
		}, want: "yes"},
	"a plain function runs on a standby": {
		run: func(m *maker) string {
			gated, other := make(chan struct{}), make(chan struct{})
			m.standby(nil, signal(gated), everywhere(signal(other)))
			came(m.t, other)
			return cameYet(gated)
		}, want: "no"},
	"NeedLeaderElection=false runs on a standby": {
		run: func(m *maker) string {
			ran := make(chan struct{})
			m.standby(nil, everywhere(signal(ran)))
			return came(m.t, ran)
		}, want: "yes"},
	"a webhook server runs on a standby": {
		run: func(m *maker) string {
			ran := make(chan struct{})
			m.standby(nil, &recordedWebhooks{started: func() { close(ran) }, stopped: func() {}})
			return came(m.t, ran)
		}, want: "yes"},
	"Elected is closed on a standby": {
		run: func(m *maker) string {
			ran := make(chan struct{})
			r := m.standby(nil, everywhere(signal(ran)))
			came(m.t, ran)
			return cameYet(r.Elected())
		}, want: "no"},
	"Warmup is called on a standby": {
		run: func(m *maker) string {
			w := &warmedUp{make(chan struct{})}
			m.standby(nil, w)
			return came(m.t, w.warm)
		}, want: "yes"},
	"a builder-made controller reconciles on the leader": {
		run: func(m *maker) string {
			createConfigMaps(m.t, m.namespace, "x")
			ran := make(chan struct{}, 100)
			made := m.make(nil)
			if err := setupConfigMaps(func(context.Context, reconcile.Request) (reconcile.Result, error) {
				ran <- struct{}{}
				return reconcile.Result{}, nil
			})(made); err != nil {
				m.t.Fatal(err)
			}
			start(m.t, made)
			return came(m.t, ran)
		}, want: "yes"},
	"a gated runnable added after the election starts": {
		run: func(m *maker) string {
			ran := make(chan struct{})
			mustAdd(m.t, m.leader(nil), signal(ran))
			return came(m.t, ran)
		}, want: "yes"},
	"a runnable may be added when the manager has stopped": {
		run: func(m *maker) string {
			r := m.leader(nil)
			if err := r.stop(m.t); err != nil {
				return err.Error()
			}
			if r.Add(signal(nil)) != nil {
				return "no"
			}
			return "yes"
		}, want: "no"},
	"the error of a gated runnable is Start's": {
		run: func(m *maker) string {
			broken := errors.New("broken")
			made := m.make(nil)
			mustAdd(m.t, made, crmanager.RunnableFunc(func(context.Context) error { return broken }))
			if err := receive(m.t, start(m.t, made).err, "the end of Start"); err == broken {
				return "yes"
			}
			return "no"
		}, want: "yes"},
	"a gated runnable that returns early ends the manager": {
		run: func(m *maker) string {
			r := m.leader(nil, crmanager.RunnableFunc(func(context.Context) error { return nil }))
			ran := make(chan struct{})
			mustAdd(m.t, r, signal(ran))
			came(m.t, ran)
			return cameYet(r.err)
		}, want: "no"},
	"a clean stop returns": {
		run: func(m *maker) string {
			if err := m.leader(nil).stop(m.t); err != nil {
				return err.Error()
			}
			return "nil"
		}, want: "nil"},
	"a second Start returns": {
		run:  func(m *maker) string { return m.leader(nil).Start(m.t.Context()).Error() },
		want: "manager already started"},
	"a value of BaseContext reaches gated work": {
		run: func(m *maker) string {
			type key struct{}
			got := make(chan any, 1)
			m.leader(func(o *ctrl.Options) {
				o.BaseContext = func() context.Context { return context.WithValue(context.Background(), key{}, "yes") }
			}, crmanager.RunnableFunc(func(ctx context.Context) error {
				got <- ctx.Value(key{})
				<-ctx.Done()
				return nil
			}))
			return receive(m.t, got, "the value").(string)
		}, want: "yes"},
	"gated work that outlasts the grace period makes Start fail": {
		run: func(m *maker) string {
			mayStop := make(chan struct{})
			defer close(mayStop)
			r := m.leader(func(o *ctrl.Options) { o.GracefulShutdownTimeout = ptr.To(time.Second) }, &stubborn{"mule", mayStop})
			if r.stop(m.t) != nil {
				return "yes"
			}
			return "no"
		}, want: "yes"},
	"a check and the metrics are served on a standby": {
		run: func(m *maker) string {
			health, scrape := fmt.Sprint("127.0.0.1:", freePort(m.t)), fmt.Sprint("127.0.0.1:", freePort(m.t))
			m.leader(nil)
			made := m.make(func(o *ctrl.Options) {
				o.HealthProbeBindAddress = health
				o.Metrics.BindAddress = scrape
			})
			if err := errors.Join(made.AddHealthzCheck("x", healthz.Ping), made.AddReadyzCheck("y", healthz.Ping)); err != nil {
				m.t.Fatal(err)
			}
			start(m.t, made)
			for _, url := range []string{health + "/healthz/x", health + "/readyz/y", scrape + "/metrics"} {
				eventually(m.t, url, func() bool { return get(m.t.Context(), "http://"+url) == http.StatusOK })
			}
			return "yes"
		}, want: "yes"},
	"the caches outlive gated work": {
		run: func(m *maker) string {
			running, read := make(chan struct{}), make(chan error, 1)
			made := m.make(nil)
			mustAdd(m.t, made, crmanager.RunnableFunc(func(ctx context.Context) error {
				var list corev1.ConfigMapList
				if err := made.GetClient().List(ctx, &list); err != nil {
					return err
				}
				close(running)
				<-ctx.Done()
				read <- made.GetClient().List(context.WithoutCancel(ctx), &list)
				return nil
			}))
			r := start(m.t, made)
			came(m.t, running)
			if err := errors.Join(r.stop(m.t), receive(m.t, read, "the read")); err != nil {
				return err.Error()
			}
			return "yes"
		}, want: "yes"},
	"a GracefulShutdownTimeout of 0 lets Start return without waiting": {
		run: func(m *maker) string {
			mayStop := make(chan struct{})
			defer close(mayStop)
			r := m.leader(func(o *ctrl.Options) { o.GracefulShutdownTimeout = ptr.To(time.Duration(0)) }, &stubborn{"mule", mayStop})
			_ = r.stop(m.t)
			return "yes"
		}, want: "yes"},
}

// get returns the status of an HTTP answer, or 0.
func get(ctx context.Context, url string) int {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}
