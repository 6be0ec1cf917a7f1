// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	crmanager "sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/manager"
)

// maker makes the managers of one kind for one behaviour.
type maker struct {
	t         *testing.T
	namespace string
	ours      bool
}

func (m *maker) make(change func(*ctrl.Options)) ctrl.Manager {
	m.t.Helper()
	options := managerOptions(m.t, m.namespace)
	quickly(&options)
	if change != nil {
		change(&options)
	}
	var made ctrl.Manager
	var err error
	if m.ours {
		made, err = manager.New(restConfig, options)
	} else {
		made, err = ctrl.NewManager(restConfig, options)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return made
}

// leader starts a manager with these runnables and waits until it leads.
func (m *maker) leader(change func(*ctrl.Options), runnables ...crmanager.Runnable) *replica {
	m.t.Helper()
	made := m.make(change)
	mustAdd(m.t, made, runnables...)
	r := start(m.t, made)
	receive(m.t, r.Elected(), "the election")
	return r
}

// standby starts a manager with these runnables beside a leader.
func (m *maker) standby(change func(*ctrl.Options), runnables ...crmanager.Runnable) *replica {
	m.t.Helper()
	m.leader(nil)
	made := m.make(change)
	mustAdd(m.t, made, runnables...)
	return start(m.t, made)
}

// behaviours of a manager. They run on controller-runtime's manager and on
// ours, and must come out the same unless a reason is given.
var behaviours = map[string]struct {
	run     func(m *maker) string
	want    string
	ours    string
	because string
}{
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
	"the Lease is released while gated work outlasts the grace period": {
		run: func(m *maker) string {
			mayStop := make(chan struct{})
			defer close(mayStop)
			r := m.leader(func(o *ctrl.Options) {
				o.GracefulShutdownTimeout = ptr.To(time.Second)
				o.LeaderElectionReleaseOnCancel = true
			}, &stubborn{"mule", mayStop})
			_ = r.stop(m.t)
			return released(m.namespace)
		}, want: "yes", ours: "no", because: "another replica would lead beside the work that goes on"},
	"a clean stop releases the Lease by default": {
		run: func(m *maker) string {
			_ = m.leader(nil).stop(m.t)
			return released(m.namespace)
		}, want: "no", ours: "yes", because: "it comes after the gated work, and so is safe"},
	"Start returns while gated work of a lost term goes on": {
		run: func(m *maker) string {
			mayStop := make(chan struct{})
			r := m.leader(nil, &stubborn{"mule", mayStop})
			editLease(m.t, m.namespace, ptr.To("foreign"))
			select {
			case err := <-r.err:
				defer close(mayStop)
				if err == nil {
					return "without an error"
				}
				return "yes"
			case <-time.After(4 * time.Second): // twice RenewDeadline
			}
			close(mayStop)
			if err := receive(m.t, r.err, "the end of Start"); !errors.Is(err, manager.ErrLeadershipLost) {
				return err.Error()
			}
			return "no"
		}, want: "yes", ours: "no", because: "there would be two leaders for as long as the process takes to exit"},
	"gated work is told to stop while a runnable of every replica is stopping": {
		run: func(m *maker) string {
			told, mayStop := make(chan struct{}), make(chan struct{})
			r := m.leader(nil,
				everywhere(func(context.Context) error { <-mayStop; return nil }),
				crmanager.RunnableFunc(func(ctx context.Context) error { <-ctx.Done(); close(told); return nil }))
			r.cancel()
			result := "no"
			select {
			case <-told:
				result = "yes"
			case <-time.After(2 * time.Second):
			}
			close(mayStop)
			return result
		}, want: "no", ours: "yes", because: "the Elector is such a runnable, and releases after the gated work"},
}

func TestManagerBehavesAsControllerRuntimes(t *testing.T) {
	for name, b := range behaviours {
		if (b.ours == "") != (b.because == "") {
			t.Errorf("%s: a difference and its reason go together", name)
		}
		for kind, want := range map[string]string{"controller-runtime": b.want, "elector": b.want} {
			ours := kind == "elector"
			if ours && b.ours != "" {
				want = b.ours
			}
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				if got := b.run(&maker{t, namespace(t), ours}); got != want {
					t.Errorf("%s? %s, want %s", name, got, want)
				}
			})
		}
	}
}

// signal closes the channel when it runs.
func signal(running chan struct{}) crmanager.RunnableFunc {
	return func(ctx context.Context) error {
		close(running)
		<-ctx.Done()
		return nil
	}
}

func came[T any](t *testing.T, from <-chan T) string {
	t.Helper()
	receive(t, from, "what should come")
	return "yes"
}

func cameYet[T any](from <-chan T) string {
	select {
	case <-from:
		return "yes"
	default:
		return "no"
	}
}

func released(namespace string) string {
	if holder(namespace) == "" {
		return "yes"
	}
	return "no"
}
