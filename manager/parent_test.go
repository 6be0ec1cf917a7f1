// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"fmt"
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

func (p *parent) GetCache() cache.Cache                { return &parentCache{parent: p} }
func (p *parent) GetClient() client.Client             { return p.client }
func (p *parent) GetScheme() *apiruntime.Scheme        { return p.client.Scheme() }
func (p *parent) GetFieldIndexer() client.FieldIndexer { return &parentCache{parent: p} }
func (p *parent) GetLogger() logr.Logger               { return logr.Discard() }
func (p *parent) GetControllerOptions() config.Controller {
	return config.Controller{EnableWarmup: ptr.To(false), MaxConcurrentReconciles: 1}
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

func (c *parentCache) IndexField(_ context.Context, _ client.Object, field string, _ client.IndexerFunc) error {
	return c.parent.informer.AddIndexers(toolscache.Indexers{field: func(any) ([]string, error) { return nil, nil }})
}

// termBench is a Gate with EachTerm set-ups, a parent, and a count of StepDowns.
// Its source must be shut down, by cancel, for a bubble to end.
type termBench struct {
	*Gate
	parent    *parent
	cancel    context.CancelFunc
	stepDowns int
	term      chan *term // the current one
}

func newTermBench(objects int, setups ...func(ctrl.Manager) error) *termBench {
	ctx, cancel := context.WithCancel(context.Background())
	b := &termBench{Gate: NewGate(quiet), parent: newParent(ctx, objects), term: make(chan *term, 1)}
	b.cancel = func() { cancel(); b.parent.source.Shutdown() }
	b.terms = newTermSource(b.parent, func(ctx context.Context) error {
		b.stepDowns++
		term := <-b.term
		term.cancel(elector.ErrSteppedDown)
		b.term <- term
		return context.Cause(ctx)
	}, quiet)
	b.terms.setups = setups
	return b
}

// pass lets time pass in a bubble, and all that happens in it happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *termBench) begin() *term {
	select {
	case <-b.term:
	default:
	}
	term := beginTerm(b.Callbacks(elector.Callbacks{}))
	b.term <- term
	return term
}
