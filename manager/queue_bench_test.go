// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

type requestQueue = workqueue.TypedRateLimitingInterface[reconcile.Request]

var benchQueues = map[string]func() requestQueue{
	"plain": func() requestQueue {
		return workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	},
	"priority": func() requestQueue { return priorityqueue.New[reconcile.Request]("") },
}

func requests(n int) []reconcile.Request {
	all := make([]reconcile.Request, n)
	for i := range all {
		all[i].NamespacedName = types.NamespacedName{Namespace: "namespace", Name: fmt.Sprint("object-", i)}
	}
	return all
}

// BenchmarkRequest measures Add, Get and Done of one key, and for gated queues also the context of Reconcile.
func BenchmarkRequest(b *testing.B) {
	keys := requests(1000)
	for name, make := range benchQueues {
		b.Run(name, func(b *testing.B) {
			q := make()
			defer q.ShutDown()
			for i := range b.N {
				q.Add(keys[i%len(keys)])
				item, _ := q.Get()
				q.Done(item)
			}
		})
		b.Run(name+", gated", func(b *testing.B) {
			ts := newTenures()
			q := newGatedQueue(make(), "", ts)
			defer q.ShutDown()
			ts.open(newTenure(context.Background(), everything))
			for i := range b.N {
				q.Add(keys[i%len(keys)])
				item, _ := q.Get()
				q.Done(item)
			}
		})
	}
	b.Run("Reconcile, gated", func(b *testing.B) {
		g := &gated[reconcile.Request]{
			reconciler: reconcile.Func(func(context.Context, reconcile.Request) (reconcile.Result, error) { return reconcile.Result{}, nil }),
			tenures:    newTenures(),
		}
		q := newGatedQueue(benchQueues["plain"](), "", g.tenures)
		defer q.ShutDown()
		g.queue.Store(q)
		t := newTenure(context.Background(), everything)
		q.inFlight[keys[0]] = flight{tenure: t}
		b.ReportAllocs()
		for range b.N {
			_, _ = g.Reconcile(b.Context(), keys[0])
		}
	})
}

// BenchmarkParked measures the memory of 100,000 parked keys, without their strings, and the time from the election
// until the first of them is handed out.
func BenchmarkParked(b *testing.B) {
	const n = 100_000
	keys := requests(n)
	b.Run("memory", func(b *testing.B) {
		inner := benchQueues["plain"]() // which no parked key reaches
		defer inner.ShutDown()
		var bytes int64
		for range b.N {
			q := newGatedQueue(inner, "", newTenures())
			bytes -= heap()
			for _, key := range keys {
				q.Add(key)
			}
			bytes += heap()
			runtime.KeepAlive(q)
		}
		b.ReportMetric(float64(bytes)/float64(b.N)/n, "B/key")
	})
	for name, make := range benchQueues {
		b.Run(name, func(b *testing.B) {
			var first time.Duration
			for range b.N {
				ts := newTenures()
				q := newGatedQueue(make(), "", ts)
				for _, key := range keys {
					q.Add(key)
				}
				began := time.Now()
				go ts.open(newTenure(context.Background(), everything))
				item, _ := q.Get()
				first += time.Since(began)
				q.Done(item)
				q.ShutDown()
			}
			b.ReportMetric(float64(first.Microseconds())/float64(b.N), "µs-to-first")
		})
	}
}

func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc) //nolint:gosec // it fits
}
