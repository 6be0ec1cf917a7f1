// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector"
)

// patience is how long tests wait for a condition. The result of no test depends on its length.
const patience = 30 * time.Second

// candidate is an Elector on the real API server.
type candidate struct {
	*elector.Elector
	t       *testing.T
	started chan elector.Term
	stopped chan error // the cause
	stop    func() error
	cut     atomic.Bool // as if its process had died
}

// fast makes lapsing quick enough to be waited for.
func fast(c *elector.Config) {
	c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = 3*time.Second, 2*time.Second, 500*time.Millisecond
}

func startCandidate(t *testing.T, config *rest.Config, namespace, id string, change ...func(*elector.Config)) *candidate {
	t.Helper()
	settings := elector.Config{
		Enabled: true, Identity: id, LeaseName: "lease", LeaseNamespace: namespace, ReleaseOnCancel: true,
	}
	for _, f := range change {
		f(&settings)
	}
	c := &candidate{t: t, started: make(chan elector.Term, 16), stopped: make(chan error, 16)}
	own := rest.CopyConfig(config)
	own.Wrap(func(next http.RoundTripper) http.RoundTripper { return &cuttable{next, &c.cut} })
	clientset, err := elector.NewClientset(own, settings)
	if err != nil {
		t.Fatal(err)
	}
	var cause error
	c.Elector, err = elector.New(&settings, clientset, elector.Callbacks{
		OnStartedLeading: func(ctx context.Context) {
			term, _ := elector.TermFromContext(ctx)
			c.started <- term
			<-ctx.Done()
			cause = context.Cause(ctx)
		},
		OnStoppedLeading: func() { c.stopped <- cause },
	}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Start(ctx) }()
	c.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Errorf("%s: Start: %v", id, err)
		}
	})
	return c
}

// cuttable swallows requests, and breaks what is under way, once it is cut.
type cuttable struct {
	next http.RoundTripper
	cut  *atomic.Bool
}

func (c *cuttable) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.cut.Load() {
		<-r.Context().Done()
		return nil, context.Cause(r.Context())
	}
	return c.next.RoundTrip(r)
}

func (c *candidate) leads() elector.Term {
	c.t.Helper()
	return receive(c.t, c.started, "OnStartedLeading")
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("not within %v: %s", patience, what)
		panic("unreachable")
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func leases(namespace string) *coordinationv1.Lease {
	clientset := kubernetes.NewForConfigOrDie(restConfig)
	lease, err := clientset.CoordinationV1().Leases(namespace).Get(context.Background(), "lease", metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return lease
}

func TestAcquireAndHandOver(t *testing.T) {
	ns := namespace(t)
	a := startCandidate(t, restConfig, ns, "a")
	first := a.leads()
	b := startCandidate(t, restConfig, ns, "b")
	eventually(t, "b sees a", func() bool { return b.GetLeader() == "a" })
	if b.IsLeader() || !a.IsLeader() {
		t.Fatal("two leaders, or none")
	}
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, a.stopped, "a stopped"); !errors.Is(err, elector.ErrStopped) {
		t.Errorf("cause %v", err)
	}
	second := b.leads()
	if order, err := second.Token.Compare(first.Token); err != nil || order <= 0 {
		t.Errorf("token %q after %q", second.Token, first.Token)
	}
	if second.Transitions != first.Transitions+1 {
		t.Errorf("transitions %d after %d", second.Transitions, first.Transitions)
	}
}

func TestTakeOverAfterACrash(t *testing.T) {
	ns := namespace(t)
	a := startCandidate(t, restConfig, ns, "a", fast)
	a.leads()
	b := startCandidate(t, restConfig, ns, "b", fast)
	eventually(t, "b sees a", func() bool { return b.GetLeader() == "a" })
	a.cut.Store(true)
	// The cut one must have ended before the other begins.
	if err := receive(t, a.stopped, "a stopped"); !errors.Is(err, elector.ErrLeaseExpired) {
		t.Errorf("cause %v", err)
	}
	if b.IsLeader() {
		t.Error("b leads before a has stopped")
	}
	b.leads()
}

func TestADeletedOrTakenLeaseEndsTheTermAtOnce(t *testing.T) {
	ns := namespace(t)
	admin := kubernetes.NewForConfigOrDie(restConfig).CoordinationV1().Leases(ns)
	a := startCandidate(t, restConfig, ns, "a") // its RenewDeadline is 10 s, so the watch must have reported it
	before := a.leads()
	if err := admin.Delete(t.Context(), "lease", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, a.stopped, "a stopped"); !errors.Is(err, elector.ErrLeaseDeleted) {
		t.Errorf("cause %v", err)
	}
	again := a.leads()
	if order, err := again.Token.Compare(before.Token); err != nil || order <= 0 {
		t.Errorf("token %q after %q, over a deletion", again.Token, before.Token)
	}
	eventually(t, "the Lease is taken", func() bool {
		lease := leases(ns)
		lease.Spec.HolderIdentity = ptr.To("somebody")
		_, err := admin.Update(t.Context(), lease, metav1.UpdateOptions{})
		return err == nil
	})
	if err := receive(t, a.stopped, "a stopped"); !errors.Is(err, elector.ErrTakenOver) {
		t.Errorf("cause %v", err)
	}
	if holder := *leases(ns).Spec.HolderIdentity; holder != "somebody" {
		t.Errorf("the foreign holder was overwritten by %q", holder)
	}
}

func TestStepDownHandsOverAndStandsByAgain(t *testing.T) {
	ns := namespace(t)
	a := startCandidate(t, restConfig, ns, "a")
	a.leads()
	b := startCandidate(t, restConfig, ns, "b")
	eventually(t, "b sees a", func() bool { return b.GetLeader() == "a" })
	if err := a.StepDown(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.leads()
	if err := b.StepDown(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.leads()
}

func TestHandOverWithPlainClientGoBothWays(t *testing.T) {
	ns := namespace(t)
	a := startCandidate(t, restConfig, ns, "a")
	a.leads()
	ctx, cancel := context.WithCancel(t.Context())
	began, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
			Lock: &resourcelock.LeaseLock{
				LeaseMeta:  metav1.ObjectMeta{Namespace: ns, Name: "lease"},
				Client:     kubernetes.NewForConfigOrDie(restConfig).CoordinationV1(),
				LockConfig: resourcelock.ResourceLockConfig{Identity: "plain"},
			},
			LeaseDuration: elector.DefaultLeaseDuration, RenewDeadline: elector.DefaultRenewDeadline, RetryPeriod: elector.DefaultRetryPeriod,
			ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { close(began) },
				OnStoppedLeading: func() {},
			},
		})
	}()
	if err := a.StepDown(t.Context()); err != nil {
		t.Fatal(err)
	}
	receive(t, began, "plain client-go leads")
	eventually(t, "a sees it", func() bool { return a.GetLeader() == "plain" })
	cancel()
	receive(t, ended, "plain client-go ends")
	a.leads()
}

func TestTheRoleInTheReadmeSuffices(t *testing.T) {
	ns := namespace(t)
	admin := kubernetes.NewForConfigOrDie(restConfig)
	limited := rest.CopyConfig(restConfig)
	limited.Impersonate = rest.ImpersonationConfig{UserName: "candidate"}
	role := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "election"},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{"lease"},
				Verbs: []string{"get", "update", "watch"}},
			{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}},
		},
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "election"},
		Subjects:   []rbacv1.Subject{{Kind: "User", Name: "candidate", APIGroup: "rbac.authorization.k8s.io"}},
		RoleRef:    rbacv1.RoleRef{Kind: "Role", Name: "election", APIGroup: "rbac.authorization.k8s.io"},
	}
	grant := func() {
		t.Helper()
		if _, err := admin.RbacV1().RoleBindings(ns).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := admin.RbacV1().Roles(ns).Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	grant()
	a := startCandidate(t, limited, ns, "a", fast)
	a.leads()
	// When the permission is withdrawn, the term ends by the deadline. When it is given back, the replica leads again.
	if err := admin.RbacV1().RoleBindings(ns).Delete(t.Context(), "election", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, a.stopped, "a stopped"); !errors.Is(err, elector.ErrLeaseExpired) {
		t.Errorf("cause %v", err)
	}
	grant()
	a.leads()
}
