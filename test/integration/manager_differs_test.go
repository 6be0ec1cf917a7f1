// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	crmanager "sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager"
)

// differences are what ours does otherwise, and why.
var differences = map[string]behaviour{
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
	"Start returns before gated work of a lost term has ended": {
		run: func(m *maker) string {
			ended := make(chan struct{})
			r := m.leader(nil, crmanager.RunnableFunc(func(ctx context.Context) error {
				defer close(ended)
				<-ctx.Done()
				<-time.After(300 * time.Millisecond) // less than LeaseDuration - RenewDeadline
				return nil
			}))
			editLease(m.t, m.namespace, ptr.To("foreign"))
			if err := receive(m.t, r.err, "the end of Start"); err == nil {
				return "without an error"
			}
			select {
			case <-ended:
				return "no"
			default:
			}
			<-ended
			return "yes"
		}, want: "yes", ours: "no", because: "another replica may lead before the process has exited"},
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
	"the end of a lost term can be told from other errors": {
		run: func(m *maker) string {
			r := m.leader(nil, signal(make(chan struct{})))
			editLease(m.t, m.namespace, ptr.To("foreign"))
			if err := receive(m.t, r.err, "the end of Start"); errors.Is(err, manager.ErrLeadershipLost) && errors.Is(err, elector.ErrTakenOver) {
				return "yes"
			}
			return "no"
		}, want: "no", ours: "yes", because: "main, and people, should know a lost Lease from a bug"},
	"the context of gated work says why it ended": {
		run: func(m *maker) string {
			causes := make(chan error, 1)
			r := m.leader(nil, crmanager.RunnableFunc(func(ctx context.Context) error {
				<-ctx.Done()
				causes <- context.Cause(ctx)
				return nil
			}))
			_ = r.stop(m.t)
			if errors.Is(receive(m.t, causes, "the cause"), elector.ErrStopped) {
				return "yes"
			}
			return "no"
		}, want: "no", ours: "yes", because: "work that cleans up does so differently for a stop and for a loss"},
	"a resource lock of the user's own is accepted": {
		run: func(m *maker) string {
			return accepted(m, func(o *ctrl.Options) {
				o.LeaderElectionResourceLockInterface = &resourcelock.LeaseLock{
					LeaseMeta: metav1.ObjectMeta{Namespace: m.namespace, Name: "lease"},
					Client:    kubernetes.NewForConfigOrDie(restConfig).CoordinationV1(),
				}
			})
		}, want: "yes", ours: "no", because: "nothing could be promised about a Lease that is written by others' code"},
	"a LeaseDuration of 2.5 s is accepted": {
		run: func(m *maker) string {
			return accepted(m, func(o *ctrl.Options) { o.LeaseDuration = ptr.To(2500 * time.Millisecond) })
		}, want: "yes", ours: "no", because: "the Lease stores whole seconds: others would see it lapse at 2 s"},
}

// accepted says whether a manager can be made with these options.
func accepted(m *maker, change func(*ctrl.Options)) string {
	options := managerOptions(m.t, m.namespace)
	quickly(&options)
	change(&options)
	var err error
	if m.ours {
		_, err = manager.New(restConfig, options)
	} else {
		_, err = ctrl.NewManager(restConfig, options)
	}
	if err != nil {
		m.t.Log(err)
		return "no"
	}
	return "yes"
}
