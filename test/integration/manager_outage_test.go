// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager"
)

// history is what the reconcilers of all replicas of an operator did, in the order in which they began.
type history struct {
	t *testing.T

	mu         sync.Mutex // guards all below
	token      elector.Token
	leaders    map[string]bool
	reconciles map[string][]time.Time           // by the object's name
	terms      map[elector.Token]map[string]int // how often each object was reconciled
}

func newHistory(t *testing.T) *history {
	return &history{
		t: t, leaders: map[string]bool{}, reconciles: map[string][]time.Time{}, terms: map[elector.Token]map[string]int{},
	}
}

// begins notes the beginning of a reconcile. It must be within a term, and of terms only the newest may work.
func (h *history) begins(ctx context.Context, name string) {
	now := time.Now()
	term, ok := elector.TermFromContext(ctx)
	if !ok || ctx.Err() != nil || term.Remaining() == 0 {
		h.t.Errorf("a reconcile of %s began outside a term", name)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if order, err := term.Token.Compare(h.token); h.token != "" && (err != nil || order < 0) {
		h.t.Errorf("a reconcile of %s began in term %s after one in term %s", name, term.Token, h.token)
	} else {
		h.token = term.Token
	}
	h.leaders[term.Identity] = true
	h.reconciles[name] = append(h.reconciles[name], now)
	if h.terms[term.Token] == nil {
		h.terms[term.Token] = map[string]int{}
	}
	h.terms[term.Token][name]++
}

// in returns how often each object was reconciled in the term.
func (h *history) in(term elector.Token) map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.terms[term])
}

func (h *history) of(name string) []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reconciles[name]
}

// led returns how many replicas have led.
func (h *history) led() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.leaders)
}

// firstAfter returns when the first reconcile of the object after this instant began, or nothing.
func (h *history) firstAfter(name string, at time.Time) (time.Time, bool) {
	for _, began := range h.of(name) {
		if began.After(at) {
			return began, true
		}
	}
	return time.Time{}, false
}

// tickingOperator reconciles ConfigMaps. It reconciles "ticking" ten times a second, with a write each time, "due"
// again after dueAfter, and all others only when they change.
type tickingOperator struct {
	client  client.Client
	history *history
}

const dueAfter = 5 * time.Second

func (o *tickingOperator) Reconcile(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	o.history.begins(ctx, r.Name)
	switch r.Name {
	case "ticking":
		obj := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "ticking"}}
		err := o.client.Patch(ctx, obj, client.RawPatch("application/merge-patch+json", []byte(`{}`)))
		return reconcile.Result{RequeueAfter: 100 * time.Millisecond}, err
	case "due":
		return reconcile.Result{RequeueAfter: dueAfter}, nil
	}
	return reconcile.Result{}, nil
}

// An operator with one changed line, whose API server goes away and comes back, at the default timings.
//
// The times after its return are logged and not checked. That a former leader leads within a second is shown in virtual
// time by TestFormerLeaderLeadsWithinASecondAfterTheAPIServerIsBack in package elector. When a reconcile begins then is
// up to others as well: a request that failed in the outage waits for its back-off, which a pause keeps, and
// client-go's informers wait up to 30 s before they list again.
func TestOutageOfTheAPIServerIsAPause(t *testing.T) {
	for _, replicas := range []int{1, 3} {
		for _, away := range []time.Duration{3 * time.Second, 17 * time.Second} {
			t.Run(fmt.Sprintf("%v, %d replicas", away, replicas), func(t *testing.T) {
				t.Parallel()
				ns := namespace(t)
				path, config := newLink(t)
				createConfigMaps(t, ns, "ticking", "due", "idle")
				h := newHistory(t)
				var all []*replica
				for range replicas {
					all = append(all, startOperator(t, ns, config, h))
				}
				eventually(t, "the first reconciles", func() bool {
					return len(h.of("ticking")) > 0 && len(h.of("due")) > 0 && len(h.of("idle")) > 0
				})
				if err := path.Leave(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(away)
				createConfigMaps(t, ns, "created")
				if err := path.ComeBack(t.Context()); err != nil {
					t.Fatal(err)
				}
				back := time.Now()
				for _, name := range []string{"ticking", "created", "due"} {
					eventually(t, "a reconcile of "+name, func() bool { _, ok := h.firstAfter(name, back); return ok })
				}
				ticked, _ := h.firstAfter("ticking", back)
				seen, _ := h.firstAfter("created", back)
				t.Logf("after its return, the first reconcile began after %v, that of an object created meanwhile after %v",
					ticked.Sub(back), seen.Sub(back))
				ended := 0
				for _, r := range all {
					select {
					case err := <-r.err:
						if ended++; !errors.Is(err, manager.ErrLeadershipLost) {
							t.Errorf("Start: %v", err)
						}
						r.err <- err
					default:
					}
				}
				if ended > 1 || replicas == 1 && ended > 0 {
					t.Errorf("%d of %d processes have ended", ended, replicas)
				}
				if h.led() > 1 { // another replica was first to claim the Lease
					return
				}
				if n := len(h.of("idle")); n != 1 {
					t.Errorf("an object that did not change was reconciled %d times", n)
				}
				due := h.of("due")
				for i := 1; i < len(due); i++ {
					if gap := due[i].Sub(due[i-1]); gap < dueAfter {
						t.Errorf("an object was reconciled again after %v, with a RequeueAfter of %v", gap, dueAfter)
					}
				}
			})
		}
	}
}

func startOperator(t *testing.T, namespace string, config *rest.Config, h *history) *replica {
	t.Helper()
	m, err := manager.New(config, managerOptions(t, namespace))
	if err != nil {
		t.Fatal(err)
	}
	// An informer that lists again after an outage has an update for every object, changed or not.
	changed := builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})
	if err := ctrl.NewControllerManagedBy(m).For(&corev1.ConfigMap{}, changed).WithOptions(controller.Options{MaxConcurrentReconciles: 2}).
		Complete(&tickingOperator{m.GetClient(), h}); err != nil {
		t.Fatal(err)
	}
	return start(t, m)
}
