// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/elector"
)

// Shards that come together share replays. None is forgotten.
func TestEachShardThatComesIsReplayed(t *testing.T) {
	const shards, objects, rounds = 16, 100, 20
	for name, o := range queues {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(objects)
				defer b.cancel()
				all := names(objects)
				b.divide(&division{
					key:   func(r reconcile.Request) string { return r.Name },
					index: func(key string) int { return slices.Index(all, key) % shards },
				}, ShardCallbacks{})
				var c counter
				b.controller(t, "c", o, c.reconcile)
				start := begin(b.Start)
				pass(time.Second)
				for range rounds {
					ctx, lose := context.WithCancelCause(t.Context())
					var served sync.WaitGroup
					for i := range shards {
						served.Go(func() { b.serveShard(ctx, i) })
					}
					pass(time.Second)
					if n, reconciled := c.take(); n != objects || reconciled != objects {
						t.Errorf("%d reconciles of %d objects", n, reconciled)
					}
					lose(elector.ErrLeaseExpired)
					served.Wait()
				}
				start.stop()
				if err := start.wait(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// What a source keeps for another time is not lost when its shard is somewhere else by then.
func TestARequestThatIsDueWhileItsShardIsElsewhereWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(1)
		defer b.cancel()
		var c counter
		b.divide(&division{key: func(r reconcile.Request) string { return r.Name }, index: func(string) int { return 0 }}, ShardCallbacks{})
		b.controller(t, "c", controller.Options{}, func(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
			_, _ = c.reconcile(ctx, r)
			return reconcile.Result{RequeueAfter: time.Minute}, nil
		})
		start := begin(b.Start)
		pass(time.Second)
		serve := func(d time.Duration) {
			ctx, lose := context.WithCancelCause(t.Context())
			var served sync.WaitGroup
			served.Go(func() { b.serveShard(ctx, 0) })
			pass(d)
			lose(elector.ErrLeaseExpired)
			served.Wait()
		}
		serve(time.Second)
		b.parent.source.Delete(configMap("c0"))
		pass(time.Hour)
		if n, _ := c.take(); n != 1 {
			t.Errorf("%d reconciles", n)
		}
		serve(time.Second)
		if n, _ := c.take(); n != 1 {
			t.Errorf("%d reconciles of the request that was due meanwhile", n)
		}
		start.stop()
		if err := start.wait(); err != nil {
			t.Error(err)
		}
	})
}
