// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// managed is a manager whose leader-gated runnables a Gate runs.
type managed struct {
	ctrl.Manager
	gate   *Gate
	cache  cache.Cache
	client client.Client
}

// Manage returns m for building gated work: its leader-gated runnables are added to the Gate, by controller-runtime's
// rules of what is leader-gated, its cache is [Gate.Cache], and its client is fenced by the term of the context, as
// [Manager.GetClient] is. All else is m's. m must have been made with LeaderElection false.
func (g *Gate) Manage(m ctrl.Manager) ctrl.Manager { return g.manage(m) }

func (g *Gate) manage(m ctrl.Manager, fences ...FenceOption) *managed {
	return &managed{
		Manager: m, gate: g, cache: g.Cache(m.GetCache()),
		client: Fenced(m.GetClient(), nil, append(fences, outsideTerms)...),
	}
}

// Add adds a runnable: for the leader, or for every replica, by the rules of controller-runtime. It may be called at
// any time before the manager stops. For what becomes of it see [Gate.Add].
func (m *managed) Add(r manager.Runnable) error {
	if leaderGated(r) {
		return m.gate.Add(r)
	}
	return m.Manager.Add(r)
}

// GetCache returns the manager's cache, which tells gated controllers of its objects only while this replica leads.
func (m *managed) GetCache() cache.Cache { return m.cache }

// GetClient returns the manager's client. A write whose context descends from a term, as that of Reconcile does, is
// sent only while that term covers it: see [Fenced]. Other writes pass.
func (m *managed) GetClient() client.Client { return m.client }

func (m *managed) gating() (*tenures, bool) { return m.gate.gating() }
