// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
	"github.com/kube-elector/elector/manager"
	"github.com/kube-elector/elector/manager/fencing"
)

// crashing is a replica of a fenced operator, in a container of its own.
type crashing struct {
	*replica
	pod     *pod
	kubelet *kubelet
	cut     *atomic.Bool // as if its process had died
	led     chan elector.Term
	lines   *logLines
}

// newCrashing starts a replica with crash detection in a new Pod of the operator.
func (o *operator) newCrashing(t *testing.T, name string, s fencing.Settings) *crashing {
	t.Helper()
	r := &crashing{pod: o.newPod(t, name), cut: &atomic.Bool{}, led: make(chan elector.Term, 16), lines: &logLines{}}
	object, err := kubernetes.NewForConfigOrDie(restConfig).CoreV1().Pods(o.ns).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.kubelet = kubeletOf(t, object)
	config := rest.CopyConfig(r.pod.cfg)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &cuttable{next, r.cut} })
	options := managerOptions(t, o.ns)
	options.Logger = manager.NewLogr(slog.New(slog.NewJSONHandler(io.MultiWriter(r.lines, t.Output()), nil)))
	m, err := manager.New(config, options, manager.WithFencing(s), manager.WithIdentity(r.pod.identity), manager.WithReElection(),
		manager.WithCrashDetection(elector.CrashDetection{TerminationLog: r.kubelet.env()}),
		manager.WithCallbacks(elector.Callbacks{OnStartedLeading: func(ctx context.Context) {
			term, _ := elector.TermFromContext(ctx)
			r.led <- term
			<-ctx.Done()
		}}))
	if err != nil {
		t.Fatal(err)
	}
	r.replica = start(t, m)
	t.Cleanup(func() { r.cut.Store(false) })
	return r
}

// crashes ends the leader, and returns what the next one's term is, and how long after the report it began.
func (r *crashing) crashes(t *testing.T, next *crashing) (elector.Term, time.Duration) {
	t.Helper()
	eventually(t, "sight of the leader", func() bool { return next.Manager.(*manager.Manager).Elector().GetLeader() == r.pod.identity })
	r.cut.Store(true)
	reported := time.Now()
	r.kubelet.report(leasetest.Exited(137))
	term := receive(t, next.led, "the next leader")
	took := time.Since(reported)
	return term, took
}

func TestACrashIsTakenOverAtOnceUnderTheEpochPolicy(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 1)
	o.allowInstalling(t) // or the policy may not be read
	s := o.settings(fencing.Epoch)
	o.install(t, s)
	object := o.configMap("x")
	o.mustCreate(t, object)
	leader := o.newCrashing(t, "replica-0", s)
	term := receive(t, leader.led, "the first leader")
	var took []time.Duration
	for i := range *crashes {
		if err := o.stampAs(t, leader, term); err != nil {
			t.Fatal(err)
		}
		next := o.newCrashing(t, fmt.Sprint("replica-", i+1), s)
		after, d := leader.crashes(t, next)
		took = append(took, d)
		if err := o.stampAs(t, next, after); err != nil {
			t.Fatal(err)
		}
		if err := o.stampAs(t, leader, term); !fencing.IsRefused(err) { // as if it had been under way
			t.Errorf("a late write of the leader that has crashed: %v, want it refused", err)
		}
		leader, term = next, after
	}
	logTimes(t, "status update to OnStartedLeading, with the policy looked for", took)
}

// stampAs writes to the object x as the replica does in the term.
func (o *operator) stampAs(t *testing.T, r *crashing, term elector.Term) error {
	t.Helper()
	return r.pod.Patch(t.Context(), o.configMap("x"), stamp(string(term.Token)), client.FieldOwner("test"))
}

// Neither of them knows that late writes are refused.
func TestTheGraceIsWaitedWhereTheEpochPolicyIsNotKnownToBeInForce(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, o *operator, s fencing.Settings){
		"may not be read":  func(t *testing.T, o *operator, s fencing.Settings) { o.install(t, s) },
		"is not installed": func(t *testing.T, o *operator, _ fencing.Settings) { o.allowPolicies(t, "get") },
		"was edited": func(t *testing.T, o *operator, s fencing.Settings) {
			o.allowPolicies(t, "get")
			changed := s
			changed.Resources = append(changed.Resources, admissionv1.Rule{
				APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"secrets"},
			})
			o.install(t, changed)
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOperator(t, restConfig, namespace(t), 1)
			s := o.settings(fencing.Epoch)
			prepare(t, o, s)
			a := o.newCrashing(t, "a", s)
			receive(t, a.led, "the first leader")
			b := o.newCrashing(t, "b", s)
			_, took := a.crashes(t, b)
			a.cut.Store(false) // or stopping takes its time
			if grace := elector.DefaultLeaseDuration - elector.DefaultRenewDeadline; took < grace || took > elector.DefaultRenewDeadline {
				t.Errorf("b leads %v after the report, want %v", took, grace)
			}
			if b.lines.find("late writes of the replica that has crashed may be accepted") == nil {
				t.Error("the log does not say why")
			}
		})
	}
}
