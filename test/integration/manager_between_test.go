// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager"
)

// A leader loses its Lease, and another replica leads before it may lead again. By default its process ends. With
// WithReElection it stays, reconciles nothing meanwhile, and reconciles every object once in its next term.
func TestAnotherLeaderInBetween(t *testing.T) {
	for name, lose := range losses {
		for _, reElection := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, re-election %v", name, reElection), func(t *testing.T) {
				t.Parallel()
				const objects = 20
				ns, h := namespace(t), newHistory(t)
				createMany(t, ns, objects)
				createConfigMaps(t, ns, "ticking")
				var cut atomic.Bool
				var options []manager.Option
				if reElection {
					options = append(options, manager.WithReElection())
				}
				formerly := newManager(t, ns, onLink(&cut), options...)
				ticking(t, formerly, h)
				a := start(t, formerly)
				first := leading(t, formerly)
				eventually(t, "all reconciles of the first leader", func() bool { return len(h.in(first)) == objects+1 })

				next := newManager(t, ns, quickly)
				ticking(t, next, h)
				b := start(t, next)
				eventually(t, "a standby", func() bool { return next.Elector().GetLeader() != "" && b.GetCache().WaitForCacheSync(t.Context()) })
				cut.Store(true) // only its watch goes on, so that the other leads next
				lose(t, ns, &cut)
				second := leading(t, next)
				cut.Store(false)
				eventually(t, "all reconciles of the second leader", func() bool { return len(h.in(second)) == objects+1 })
				if !reElection {
					if err := receive(t, a.err, "the end of the former leader's Start"); !errors.Is(err, manager.ErrLeadershipLost) {
						t.Errorf("Start: %v, want ErrLeadershipLost", err)
					}
					return
				}

				eventually(t, "sight of the new leader", func() bool { return formerly.Elector().GetLeader() == next.Elector().GetLeader() })
				createConfigMaps(t, ns, "created") // which the former leader may hear of, as handlers are removed in the background
				eventually(t, "the reconcile of what was created", func() bool { return h.in(second)["created"] == 1 })
				if err := kubernetes.NewForConfigOrDie(restConfig).CoreV1().ConfigMaps(ns).Delete(t.Context(), "c1", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the reconcile of what was deleted", func() bool { return h.in(second)["c1"] == 2 })
				if err := b.stop(t); err != nil {
					t.Errorf("Start: %v", err)
				}
				third := leading(t, formerly)
				eventually(t, "all reconciles of the next term", func() bool { return len(h.in(third)) >= objects+1 && h.in(third)["ticking"] > 1 })
				did := h.in(third)
				for name, n := range did {
					if n != 1 && name != "ticking" && name != "created" {
						t.Errorf("%s was reconciled %d times in the next term", name, n)
					}
				}
				if did["created"] == 0 || did["c1"] != 0 || len(did) != objects+1 {
					t.Errorf("reconciled in the next term, of %d objects: %v", objects+1, did)
				}
				if err := a.stop(t); err != nil {
					t.Errorf("Start: %v", err)
				}
			})
		}
	}
}

// ticking adds a controller to m that reconciles one of its objects again and again.
func ticking(t *testing.T, m *manager.Manager, h *history) {
	t.Helper()
	if err := setupConfigMaps((&tickingOperator{m.GetClient(), h}).Reconcile)(m); err != nil {
		t.Fatal(err)
	}
}

// leading waits until m leads, and returns the token of its term.
func leading(t *testing.T, m *manager.Manager) elector.Token {
	t.Helper()
	var token elector.Token
	eventually(t, "the next term", func() bool {
		term, ok := m.Elector().Term()
		token = term.Token
		return ok && m.Elector().IsLeader()
	})
	return token
}
