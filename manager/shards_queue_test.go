// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// namedRequest is a request of another type.
type namedRequest struct {
	reconcile.Request
	cluster string
}

func (r namedRequest) String() string { return r.cluster + "#" + r.Name }

func TestKeyOfARequestDependsOnItsType(t *testing.T) {
	d := &division{key: func(r reconcile.Request) string { return "by " + r.Name }}
	type cluster string
	type pair struct{ a, b int }
	for got, want := range map[string]string{
		keyOf[reconcile.Request](d)(request("c")):                                 "by c",
		keyOf[namedRequest](d)(namedRequest{request("c"), "east"}):                "east#c",
		keyOf[types.NamespacedName](d)(types.NamespacedName{Name: "n"}):           "/n",
		keyOf[cluster](d)("west"):                                                 "west",
		keyOf[pair](d)(pair{1, 2}) + keyOf[*pair](d)(&pair{}) + keyOf[int](d)(17): "",
	} {
		if got != want {
			t.Errorf("the key is %q, want %q", got, want)
		}
	}
}

// Handlers that add through any method add nothing of other shards, with any kind of queue.
func TestEventHandlersOfAControllerAreFiltered(t *testing.T) {
	for name, o := range queues {
		t.Run(name, func(t *testing.T) {
			inFleet(t, 2, 0, func(f *fleet) {
				s := f.replica("a", o)
				s.launch()
				pass(time.Second)
				if got := len(s.gate.listeners.all); got != 1 {
					t.Fatalf("%d handlers", got)
				}
				l := s.gate.listeners.all[0]
				h, ok := filtered(l.whole, func(i shard) bool { return i == 1 })
				if !ok || h == l.whole || l.handler == l.whole {
					t.Fatal("the handler is not filtered")
				}
				own := []int{}
				for _, name := range names(8) {
					h.OnAdd(configMap(name), false)
					own = append(own, s.ShardOf(request(name)))
				}
				pass(time.Second)
				for i, name := range names(8) {
					f.mu.Lock()
					if got := f.counts[name]; got != own[i] {
						t.Errorf("%s, in shard %d, was reconciled %d times", name, own[i], got)
					}
					f.mu.Unlock()
				}
				if err := s.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestAllMethodsOfAFilteredQueueFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTenures()
		q := newGatedQueue(workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]()), "", ts)
		defer q.ShutDown()
		ts.open(newTenure(t.Context(), everything))
		accept := false
		part := q.only(func(shard) bool { return accept }).(workqueue.TypedRateLimitingInterface[string])
		for _, want := range []int{0, 3} {
			part.Add("a")
			part.AddAfter("b", time.Millisecond)
			part.AddRateLimited("c")
			time.Sleep(time.Minute)
			if got := q.Len(); got != want {
				t.Errorf("accepted %v: %d items", accept, got)
			}
			accept = true
		}
	})
}

// A handler of a type that is not known is told of everything at each replay, so nothing is lost.
func TestHandlersThatCannotBeFilteredAreLeftAsTheyAre(t *testing.T) {
	for name, h := range map[string]toolscache.ResourceEventHandler{
		"functions":     toolscache.ResourceEventHandlerFuncs{},
		"a pointer":     &toolscache.ResourceEventHandlerFuncs{},
		"another queue": &withQueue{queue: 17},
		"no queue":      &withQueue{},
	} {
		if got, ok := filtered(h, func(shard) bool { return true }); ok {
			t.Errorf("%s: filtered to %T", name, got)
		}
	}
	inFleet(t, 4, 20, func(f *fleet) {
		a, b := f.replica("a", controller.Options{}), f.replica("b", controller.Options{})
		for _, s := range []*ship{a, b} {
			s.gate.listeners.filter = func(h toolscache.ResourceEventHandler, _ func(shard) bool) (toolscache.ResourceEventHandler, bool) {
				return h, false
			}
		}
		a.launch()
		f.until(time.Second, a)
		b.launch()
		f.until(time.Second, a, b)
		pass(time.Second)
		f.check("unfiltered", a, b)
		for _, s := range []*ship{a, b} {
			if err := s.stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

type withQueue struct {
	toolscache.ResourceEventHandlerFuncs
	queue any
}
