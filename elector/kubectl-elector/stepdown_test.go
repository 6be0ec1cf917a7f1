// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
	"github.com/kube-elector/elector/elector/shards"
)

// asked runs step-down on a Lease that a leads with the token 1, and calls lead when something was asked of it. It
// returns what was printed.
func asked(t *testing.T, lease *coordinationv1.Lease, lead func(*leasetest.Server)) (string, error) {
	t.Helper()
	server := leasetest.NewServer()
	if lease != nil {
		server.Put(lease)
	}
	var out strings.Builder
	s := newSession(newOptions(), &out, &out)
	s.client, s.namespace = server.Client("kubectl"), "ns"
	done := make(chan error, 1)
	go func() { done <- s.stepDown(t.Context(), "operator") }()
	synctest.Wait()
	if now := server.Get("ns", "operator"); now != nil && now.Annotations[elector.StepDownAnnotation] != "" {
		time.Sleep(time.Second)
		lead(server)
	}
	err := <-done
	return out.String(), err
}

// sign makes the present record of the Lease that of an elector.
func sign(l *coordinationv1.Lease, holder string, acquired time.Time) {
	l.Spec.HolderIdentity, l.Spec.LeaseDurationSeconds = ptr.To(holder), ptr.To[int32](15)
	l.Spec.AcquireTime, l.Spec.RenewTime = &metav1.MicroTime{Time: acquired}, &metav1.MicroTime{Time: time.Now()}
	l.Annotations = map[string]string{
		elector.WriterAnnotation:      fmt.Sprintf("nonce %s id", l.Spec.RenewTime.UTC().Format(metav1.RFC3339Micro)),
		elector.LeaderTokenAnnotation: "1",
	}
}

func ledByA() *coordinationv1.Lease {
	lease := leaseOf("a")
	lease.ResourceVersion = ""
	sign(lease, "a", time.Now())
	return lease
}

func TestStepDownWaitsUntilAnotherLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var request string
		got, err := asked(t, ledByA(), func(server *leasetest.Server) {
			server.Edit("ns", "operator", func(l *coordinationv1.Lease) {
				request = l.Annotations[elector.StepDownAnnotation]
				*l.Spec.HolderIdentity = ""
			})
			synctest.Wait()
			time.Sleep(time.Second)
			server.Edit("ns", "operator", func(l *coordinationv1.Lease) { sign(l, "b", time.Now()) })
		})
		const want = "Asked a to step down (token 1).\na has released the Lease, 1.0s after the request.\nb leads, 2.0s after the request.\n"
		if got != want || err != nil || request != "1" {
			t.Errorf("asked with the token %q; %v, printed\n%s", request, err, got)
		}
	})
}

func TestStepDownSaysThatNobodyElseLeads(t *testing.T) {
	for name, try := range map[string]struct {
		lead func(*leasetest.Server)
		want string
	}{
		"the same leads again": {func(server *leasetest.Server) {
			server.Edit("ns", "operator", func(l *coordinationv1.Lease) { *l.Spec.HolderIdentity = "" })
			synctest.Wait()
			time.Sleep(6 * time.Second)
			server.Edit("ns", "operator", func(l *coordinationv1.Lease) { sign(l, "a", time.Now()) })
		}, "a leads again, 7.0s after the request: no other replica has taken the Lease.\n"},
		"nobody takes it": {func(server *leasetest.Server) {
			server.Edit("ns", "operator", func(l *coordinationv1.Lease) { *l.Spec.HolderIdentity = "" })
		}, "Nobody leads after 2m0s: no other replica has taken the Lease.\n"},
		"the leader does not answer": {func(*leasetest.Server) {}, "a still leads after 2m0s. It may step down later, unless you take the request " +
			"back with kubectl annotate lease operator -n ns kube-elector.io/step-down-\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, err := asked(t, ledByA(), try.lead)
				if !errors.Is(err, errNobody) || !strings.HasSuffix(got, try.want) {
					t.Errorf("%v, printed\n%s\nwant at the end\n%s", err, got, try.want)
				}
			})
		})
	}
}

func TestStepDownAsksAgainWithTheRightToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last string
		_, err := asked(t, ledByA(), func(server *leasetest.Server) {
			server.Edit("ns", "operator", func(l *coordinationv1.Lease) {
				sign(l, "a", l.Spec.AcquireTime.Time)
				l.Annotations[elector.LeaderTokenAnnotation] = "2" // an edit had made the first one wrong
			})
			synctest.Wait()
			last = server.Get("ns", "operator").Annotations[elector.StepDownAnnotation]
			server.Edit("ns", "operator", func(l *coordinationv1.Lease) { sign(l, "b", time.Now()) })
		})
		if last != "2" || err != nil {
			t.Errorf("asked again with %q, %v", last, err)
		}
	})
}

func TestStepDownWritesNothingToTheLeaseOfAnotherProgram(t *testing.T) {
	labelled := leaseOf("a", signed("1"), func(l *coordinationv1.Lease) { l.Labels = map[string]string{shards.SetLabel: "set"} })
	for name, try := range map[string]struct {
		lease *coordinationv1.Lease
		err   error
		want  string
	}{
		"client-go's":    {leaseOf("a"), errNo, "a cannot be asked: it is not an elector, or its last renewal did not say so.\n"},
		"free":           {leaseOf(""), errNo, "Nobody leads: the Lease \"operator\" is free.\n"},
		"of a shard":     {labelled, errNo, "The Lease \"operator\" is of a replica with shards, which has no leader that could step down.\n"},
		"does not exist": {nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if try.lease != nil {
					try.lease.ResourceVersion = ""
				}
				got, err := asked(t, try.lease, func(*leasetest.Server) { t.Error("asked") })
				if try.err == nil && (err == nil || err.Error() != `there is no Lease "operator" in namespace "ns"`) || !errors.Is(err, try.err) && try.err != nil || got != try.want {
					t.Errorf("%v, printed %q, want %q", err, got, try.want)
				}
			})
		})
	}
}

func TestStepDownNamesTheMissingPermission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := leasetest.NewServer()
		server.Put(ledByA())
		client := server.Client("kubectl")
		client.Intercept(func(op leasetest.Op) leasetest.Fault {
			if op.Verb == "patch" {
				return leasetest.Fault{Err: apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, "operator",
					errors.New(`User "jane" cannot patch resource "leases" in API group "coordination.k8s.io" in the namespace "ns"`))}
			}
			return leasetest.Fault{}
		})
		var out strings.Builder
		s := newSession(newOptions(), &out, &out)
		s.client, s.namespace = client, "ns"
		err := s.stepDown(t.Context(), "operator")
		if err == nil || !strings.HasPrefix(err.Error(), `missing permission to patch leases.coordination.k8s.io "operator" in namespace "ns": `) {
			t.Errorf("got %v", err)
		}
	})
}

func TestARefusalByAPolicyIsNoMissingPermission(t *testing.T) {
	refusal := apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, "operator", errors.New("ValidatingAdmissionPolicy 'x' denied request: no"))
	got := access{"patch", leases, "ns", "operator"}.failed(refusal).Error()
	if !strings.HasPrefix(got, `cannot patch leases.coordination.k8s.io "operator" in namespace "ns": `) || !strings.Contains(got, "ValidatingAdmissionPolicy 'x'") {
		t.Error(got)
	}
}

func TestStepDownEndsWhenItIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := leasetest.NewServer()
		server.Put(ledByA())
		var out strings.Builder
		s := newSession(newOptions(), &out, &out)
		s.client, s.namespace = server.Client("kubectl"), "ns"
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		if err := s.stepDown(ctx, "operator"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
