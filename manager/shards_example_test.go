// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager_test

import (
	"context"
	"sync"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/manager"
)

// memory is what a reconciler remembers of its keys, by their shards.
type memory struct {
	mu     sync.Mutex
	shards map[int]map[reconcile.Request]int
}

func (m *memory) forget(shard int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.shards, shard)
}

// A reconciler that remembers something of its objects forgets it when a shard arrives, as another replica may have
// served the shard meanwhile.
func ExampleWithShardCallbacks() {
	var remembered memory
	run := func(ctx context.Context, cfg *rest.Config, options ctrl.Options) error {
		callbacks := manager.ShardCallbacks{
			OnAcquired: func(_ context.Context, shard int) { remembered.forget(shard) },
		}
		mgr, err := manager.New(cfg, options, manager.WithShards(64), manager.WithShardCallbacks(callbacks))
		if err != nil {
			return err
		}
		return mgr.Start(ctx)
	}
	_ = run
	// Output:
}
