// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	fcache "k8s.io/client-go/tools/cache/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

// fleet is the replicas of a sharded operator, in a bubble. Each has an informer of its own on the same ConfigMaps. It
// records who reconciles what, and fails the test when two replicas reconcile one key at a time.
type fleet struct {
	t       *testing.T
	n       int // shards
	server  *leasetest.Server
	objects *fcache.FakeControllerSource
	takes   time.Duration // how long a reconcile takes, whatever becomes of its context
	late    time.Duration // how long an informer takes to list the objects
	change  func(*ctrl.Options)

	mu     sync.Mutex // guards all below
	began  time.Time
	busy   map[string]string // who is reconciling the object
	last   map[string]seen   // the latest reconcile of each object that has ended
	counts map[string]int    // reconciles of each object
	log    []string
}

// seen is what a reconcile saw.
type seen struct {
	by      string
	token   elector.Token // of its shard's term
	version string        // of the object, "" if there was none
	at      time.Time
}

func inFleet(t *testing.T, n, objects int, test func(f *fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{
			t: t, n: n, server: leasetest.NewServer(), objects: fcache.NewFakeControllerSource(), began: time.Now(),
			busy: map[string]string{}, last: map[string]seen{}, counts: map[string]int{},
		}
		for i := range objects {
			f.objects.Add(configMap(fmt.Sprint("c", i)))
		}
		test(f)
		f.objects.Shutdown()
		afterwards()
	})
}

// ship is one replica that runs.
type ship struct {
	*Manager
	f        *fleet
	name     string
	client   *leasetest.Client
	informer toolscache.SharedIndexInformer
	run      *begun
	mu       sync.Mutex // guards held
	held     map[int]bool
}

// replica makes a replica. Change it before launch.
func (f *fleet) replica(name string, o controller.Options, more ...Option) *ship {
	f.t.Helper()
	s := &ship{
		f: f, name: name, client: f.server.Client(name), held: map[int]bool{},
		informer: toolscache.NewSharedIndexInformer(f.objects, &corev1.ConfigMap{}, 0, toolscache.Indexers{}),
	}
	s.Manager = newReplica(f.t, f.server, name, func(o *ctrl.Options) {
		o.NewCache = func(*rest.Config, cache.Options) (cache.Cache, error) {
			return &shipCache{informer: s.informer, late: f.late}, nil
		}
		if f.change != nil {
			f.change(o)
		}
	}, append([]Option{WithShards(f.n), WithShardCallbacks(ShardCallbacks{OnAcquired: s.acquired, OnLost: s.lost})}, more...)...)
	o.Reconciler, o.SkipNameValidation = reconcile.Func(s.reconcile), ptr.To(true)
	if o.MaxConcurrentReconciles == 0 {
		o.MaxConcurrentReconciles = 4
	}
	c, err := controller.New("c", s.Manager, o)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := c.Watch(source.Kind(s.GetCache(), &corev1.ConfigMap{}, &handler.TypedEnqueueRequestForObject[*corev1.ConfigMap]{})); err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (s *ship) launch() *ship {
	s.run = begin(s.Start)
	return s
}

// stop stops the replica, and returns what Start did.
func (s *ship) stop() error {
	s.run.stop()
	return s.run.wait()
}

func (s *ship) acquired(ctx context.Context, shard int) {
	term, _ := elector.TermFromContext(ctx)
	s.f.note("%s acquired shard %d with token %s", s.name, shard, term.Token)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[shard] {
		s.f.fault("%s acquired shard %d twice", s.name, shard)
	}
	s.held[shard] = true
}

func (s *ship) lost(shard int) {
	s.f.note("%s lost shard %d", s.name, shard)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.held[shard] {
		s.f.fault("%s lost shard %d without having acquired it", s.name, shard)
	}
	delete(s.held, shard)
}

func (s *ship) holds(shard int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[shard]
}

func request(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "ns", Name: name}}
}

func (s *ship) reconcile(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	term, ok := elector.TermFromContext(ctx)
	if !ok || ctx.Err() != nil || !s.holds(s.ShardOf(r)) {
		s.f.fault("%s reconciles %s: a term %v, its context %v, shard %d held %v", s.name, r.Name, ok, ctx.Err(), s.ShardOf(r), s.holds(s.ShardOf(r)))
	}
	what := seen{by: s.name, token: term.Token}
	if obj, exists, _ := s.informer.GetStore().GetByKey("ns/" + r.Name); exists {
		what.version = obj.(*corev1.ConfigMap).ResourceVersion
	}
	s.f.enter(s.name, r.Name)
	defer s.f.leave(s.name, r.Name)
	time.Sleep(s.f.takes)
	if ctx.Err() == nil {
		what.at = time.Now()
		s.f.saw(r.Name, what)
	}
	return reconcile.Result{}, nil
}

func (f *fleet) fault(format string, args ...any) {
	f.t.Errorf("%12v  "+format, append([]any{time.Since(f.began)}, args...)...)
}

func (f *fleet) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, fmt.Sprintf("%12v  ", time.Since(f.began))+fmt.Sprintf(format, args...))
}

func (f *fleet) enter(who, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if other := f.busy[name]; other != "" {
		f.fault("%s is reconciled by %s and %s", name, other, who)
	}
	f.busy[name] = who
	f.counts[name]++
}

func (f *fleet) leave(who, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy[name] == who {
		delete(f.busy, name)
	}
}

func (f *fleet) saw(name string, what seen) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last[name] = what
}

// reconciles returns how many reconciles there were since the last call.
func (f *fleet) reconciles() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, count := range f.counts {
		n += count
	}
	clear(f.counts)
	return n
}

// until lets time pass until the replicas share all shards.
func (f *fleet) until(limit time.Duration, ships ...*ship) {
	f.t.Helper()
	began := time.Now()
	for ; ; pass(time.Millisecond) {
		total, fewest, most := 0, f.n, 0
		for _, s := range ships {
			held := len(s.Shards().Held())
			total, fewest, most = total+held, min(fewest, held), max(most, held)
		}
		if total == f.n && most-fewest <= 1 {
			return
		}
		if time.Since(began) > limit {
			f.t.Fatalf("after %v: %d of %d shards are held, from %d to %d by a replica", limit, total, f.n, fewest, most)
		}
	}
}

// check checks that each object has been reconciled as it is now, by the replica that has its shard, in that term.
func (f *fleet) check(when string, ships ...*ship) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var wrong []string
	list, err := f.objects.List(metav1.ListOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, obj := range list.(*corev1.List).Items {
		object := obj.Object.(*corev1.ConfigMap)
		shard := ships[0].ShardOf(request(object.Name))
		last := f.last[object.Name]
		holder, holders := "", 0
		for _, s := range ships {
			if term, ok := s.Shards().Term(shard); ok {
				holder, holders = s.name, holders+1
				if last.by != s.name || last.token != term.Token || last.version != object.ResourceVersion {
					wrong = append(wrong, fmt.Sprintf("%s at version %s in shard %d of %s, token %s: last %+v", object.Name, object.ResourceVersion, shard, s.name, term.Token, last))
				}
			}
		}
		if holders != 1 {
			wrong = append(wrong, fmt.Sprintf("shard %d of %s is held by %d, %q among them", shard, object.Name, holders, holder))
		}
	}
	if len(wrong) > 0 {
		f.t.Errorf("%v  %s: %d objects are not reconciled as they are:\n%s\n%s", time.Since(f.began), when, len(wrong),
			strings.Join(wrong[:min(5, len(wrong))], "\n"), strings.Join(f.log[max(0, len(f.log)-60):], "\n"))
	}
}
