// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	fcache "k8s.io/client-go/tools/cache/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/kube-elector/elector/elector"
)

// parent is a manager with one informer, of ConfigMaps, that is running.
type parent struct {
	ctrl.Manager
	informer toolscache.SharedIndexInformer
	source   *fcache.FakeControllerSource
	client   client.Client
}

func newParent(ctx context.Context, objects int) *parent {
	p := &parent{source: fcache.NewFakeControllerSource(), client: fake.NewClientBuilder().Build()}
	for i := range objects {
		p.source.Add(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprint("c", i)}})
	}
	p.informer = toolscache.NewSharedIndexInformer(p.source, &corev1.ConfigMap{}, 0, toolscache.Indexers{})
	go p.informer.RunWithContext(ctx)
	return p
}

func (p *parent) GetCache() cache.Cache         { return &parentCache{parent: p} }
func (p *parent) GetClient() client.Client      { return p.client }
func (p *parent) GetScheme() *apiruntime.Scheme { return p.client.Scheme() }
func (p *parent) GetLogger() logr.Logger        { return logr.Discard() }
func (p *parent) GetControllerOptions() config.Controller {
	return config.Controller{MaxConcurrentReconciles: 1}
}

type parentCache struct {
	cache.Cache
	parent *parent
}

func (c *parentCache) GetInformer(context.Context, client.Object, ...cache.InformerGetOption) (cache.Informer, error) {
	return c.parent.informer, nil
}

func (c *parentCache) GetInformerForKind(context.Context, schema.GroupVersionKind, ...cache.InformerGetOption) (cache.Informer, error) {
	return c.parent.informer, nil
}

func (c *parentCache) WaitForCacheSync(ctx context.Context) bool {
	return toolscache.WaitForCacheSync(ctx.Done(), c.parent.informer.HasSynced)
}

// bench is a Gate beside a manager with one informer. Its source must be shut down, by cancel, for a bubble to end.
type bench struct {
	*Gate
	parent  *parent
	cancel  context.CancelFunc
	resumed bool // whether the next term follows the last one with nobody in between
}

func newBench(objects int, options ...Option) *bench {
	ctx, cancel := context.WithCancel(context.Background())
	b := &bench{Gate: NewGate(quiet, options...), parent: newParent(ctx, objects)}
	b.Gate.resumed = func(context.Context) bool { return b.resumed }
	b.cancel = func() { cancel(); b.parent.source.Shutdown() }
	return b
}

// pass lets time pass in a bubble, and all that happens in it happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// parked returns how many requests all controllers' queues keep.
func (b *bench) parked() (n int) {
	for _, each := range b.tenures.all() {
		q := each.(*gatedQueue[reconcile.Request])
		q.mu.Lock()
		n += len(q.parked)
		q.mu.Unlock()
	}
	return n
}

func (b *bench) begin() *term { return beginTerm(b.Callbacks(elector.Callbacks{})) }

// controller adds a controller of ConfigMaps to the bench, as an operator does.
func (b *bench) controller(t *testing.T, name string, o controller.Options, r reconcile.Func) controller.Controller {
	t.Helper()
	o.Reconciler, o.SkipNameValidation = r, ptr.To(true)
	m := b.Manage(b.parent)
	c, err := controller.New(name, m, o)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Watch(source.Kind(m.GetCache(), &corev1.ConfigMap{}, &handler.TypedEnqueueRequestForObject[*corev1.ConfigMap]{}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// counter counts reconciles by the name of their object.
type counter struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *counter) reconcile(_ context.Context, r reconcile.Request) (reconcile.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	c.seen[r.Name]++
	return reconcile.Result{}, nil
}

// of returns how many reconciles there were of an object.
func (c *counter) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[name]
}

// take returns how many reconciles there were of how many objects since the last call.
func (c *counter) take() (reconciles, objects int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.seen {
		reconciles += n
	}
	objects = len(c.seen)
	c.seen = nil
	return reconciles, objects
}

func (c *counter) asFunc() reconcile.Func { return c.reconcile }
