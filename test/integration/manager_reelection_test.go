// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager"
)

// busy is a reconciler that never rests. It writes to its object through the term's client again and again, and counts
// what it must not do.
type busy struct {
	t       *testing.T
	client  client.Client
	counter *counts
}

type counts struct {
	reconciles, late, refused, accepted atomic.Int64
	term                                atomic.Pointer[elector.Term]
}

func (b *busy) Reconcile(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	if ctx.Err() != nil {
		b.counter.late.Add(1)
	}
	term, ok := elector.TermFromContext(ctx)
	if !ok {
		b.t.Error("no term in the context of Reconcile")
	}
	b.counter.term.Store(&term)
	b.counter.reconciles.Add(1)
	<-ctx.Done()
	// A reconciler that does not care that its context has ended.
	obj := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: r.Name}}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"data":{"token":"`+string(term.Token)+`"}}`))
	err := b.client.Patch(context.WithoutCancel(ctx), obj, patch)
	switch {
	case errors.Is(err, manager.ErrNotLeading):
		b.counter.refused.Add(1)
	case err == nil:
		b.counter.accepted.Add(1)
	default:
		b.t.Errorf("the write after the term's end: %v", err)
	}
	return reconcile.Result{}, err
}

func TestReElectionGoesOnInTheSameProcess(t *testing.T) {
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			ns := namespace(t)
			createConfigMaps(t, ns, "x")
			var cut atomic.Bool
			var seen counts
			m := newManager(t, ns, onLink(&cut), manager.WithReElection())
			if err := setupConfigMaps((&busy{t: t, client: m.GetClient(), counter: &seen}).Reconcile)(m); err != nil {
				t.Fatal(err)
			}
			a := start(t, m)
			tokens := map[elector.Token]bool{}
			const terms = 3
			for i := range terms {
				eventually(t, "a reconcile of the new term", func() bool {
					term := seen.term.Load()
					return term != nil && !tokens[term.Token]
				})
				tokens[seen.term.Load().Token] = true
				before := seen.refused.Load()
				lose(t, ns, &cut)
				eventually(t, "the refusal of a write", func() bool { return seen.refused.Load() > before })
				if name == "foreign holder" {
					editLease(t, ns, ptr.To(""))
				}
				cut.Store(false)
				if len(a.err) > 0 {
					t.Fatalf("Start returned %v after term %d", <-a.err, i+1)
				}
			}
			if n := seen.accepted.Load(); n != 0 {
				t.Errorf("%d writes were accepted after the end of their term", n)
			}
			if n := seen.late.Load(); n != 0 {
				t.Errorf("%d reconciles were started after the end of their term", n)
			}
			if err := a.stop(t); err != nil {
				t.Errorf("Start: %v", err)
			}
		})
	}
}

// The client writes while the term lasts, which includes its orderly end.
func TestClientWritesUntilTheOrderlyEndOfTheTerm(t *testing.T) {
	ns := namespace(t)
	createConfigMaps(t, ns, "x")
	var seen counts
	m := newManager(t, ns, nil)
	if err := setupConfigMaps((&busy{t: t, client: m.GetClient(), counter: &seen}).Reconcile)(m); err != nil {
		t.Fatal(err)
	}
	a := start(t, m)
	eventually(t, "a reconcile", func() bool { return seen.term.Load() != nil })
	if err := a.stop(t); err != nil {
		t.Errorf("Start: %v", err)
	}
	if accepted, refused := seen.accepted.Load(), seen.refused.Load(); accepted == 0 || refused != 0 {
		t.Errorf("%d writes accepted, %d refused while draining", accepted, refused)
	}
}

func TestStepDownHandsOverToAWarmStandby(t *testing.T) {
	ns := namespace(t)
	createConfigMaps(t, ns, "x")
	newReplica := func() (*manager.Manager, *counts) {
		m, seen := newManager(t, ns, nil, manager.WithReElection()), &counts{}
		if err := setupConfigMaps(func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
			term, _ := elector.TermFromContext(ctx)
			seen.term.Store(&term)
			seen.reconciles.Add(1)
			return reconcile.Result{}, nil
		})(m); err != nil {
			t.Fatal(err)
		}
		start(t, m)
		return m, seen
	}
	a, seenByA := newReplica()
	eventually(t, "a's reconcile", func() bool { return seenByA.reconciles.Load() > 0 })
	b, seenByB := newReplica()
	for range 2 {
		eventually(t, "b standing by", func() bool { return b.Elector().GetLeader() != "" })
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := a.Elector().StepDown(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		before := seenByB.reconciles.Load()
		eventually(t, "b's reconcile", func() bool { return seenByB.reconciles.Load() > before })
		a, b, seenByA, seenByB = b, a, seenByB, seenByA
	}
}
