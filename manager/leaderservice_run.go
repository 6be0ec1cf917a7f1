// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/go-logr/logr"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/kube-elector/elector/elector"
)

// leaderServices makes Services point at this replica while it leads.
type leaderServices struct {
	clientset kubernetes.Interface
	namespace string
	services  []leaderService
	pod       podEnvironment
	log       *slog.Logger

	group   sync.WaitGroup
	located chan struct{} // closed when the fields below are set
	place   place
	publish []*publisher
	vacate  []*publisher // of the IP families that this replica does not have
}

func newLeaderServices(clientset kubernetes.Interface, namespace string, services []leaderService, log *slog.Logger) *leaderServices {
	pod, _ := readPodEnvironment() // serviceFaults has looked at it
	return &leaderServices{
		clientset: clientset, namespace: namespace, services: services, pod: pod, log: log, located: make(chan struct{}),
	}
}

// run finds out where this replica can be reached, and watches the EndpointSlices until ctx ends. When it returns, what
// it and lead have started has ended.
func (s *leaderServices) run(ctx context.Context) {
	ctx, done := elector.KeepConnections(ctx)
	defer done()
	defer s.group.Wait()
	if !s.locate(ctx) {
		return
	}
	var watches sync.WaitGroup
	defer watches.Wait()
	for _, p := range s.publish {
		watches.Go(func() { s.follow(ctx, p) })
	}
	close(s.located)
	s.log.DebugContext(ctx, "the Service will point at this replica when it leads", "addresses", s.place.addresses)
	s.preflight(ctx)
}

// locate sets place, publish and vacate. It reports false if ctx ends first.
func (s *leaderServices) locate(ctx context.Context) bool {
	for pace, told := newPace(), false; ; {
		at, unowned, err := s.find(ctx)
		if err == nil {
			if unowned != nil {
				s.log.WarnContext(ctx, "nothing will remove the EndpointSlice of the Service when the last leader has gone: its Pod is not known", "err", unowned)
			}
			s.place = at
			break
		}
		if ctx.Err() == nil && !told {
			s.log.WarnContext(ctx, "the Service cannot point at this replica: its address is not known", "err", err)
			told = true
		}
		if !pause(ctx, pace.Step()) {
			return false
		}
	}
	for _, service := range s.services {
		for _, family := range []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6} {
			name := service.sliceName(family)
			p := &publisher{
				client: s.clientset.DiscoveryV1().EndpointSlices(s.namespace), service: service, family: family, name: name,
				log: s.log.With("service", s.namespace+"/"+service.name, "endpointSlice", name), changed: make(chan struct{}),
			}
			if s.place.addresses[family] == "" {
				s.vacate = append(s.vacate, p)
			} else {
				s.publish = append(s.publish, p)
			}
		}
	}
	return true
}

func (s *leaderServices) find(ctx context.Context) (at place, unowned, err error) {
	ctx, cancel := context.WithTimeout(unlogged(ctx), sliceTimeout)
	defer cancel()
	return s.pod.find(ctx, s.clientset.CoreV1().Pods(s.namespace))
}

// follow shows the publisher what the API server has, so that a new leader need not read it, and a leader learns what
// others do to it.
func (s *leaderServices) follow(ctx context.Context, p *publisher) {
	selector := fields.OneTermEqualSelector(metav1.ObjectNameField, p.name).String()
	informer := cache.NewSharedIndexInformer(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = selector
			return p.client.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = selector
			return p.client.Watch(ctx, o)
		},
	}, &discoveryv1.EndpointSlice{}, 0, cache.Indexers{})
	saw := func(obj any) {
		if slice, ok := obj.(*discoveryv1.EndpointSlice); ok {
			p.saw(slice)
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: saw, UpdateFunc: func(_, obj any) { saw(obj) }, DeleteFunc: func(any) { p.forget() },
	})
	if err == nil {
		err = informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *cache.Reflector, err error) {
			p.log.DebugContext(ctx, "cannot watch the EndpointSlice", "err", err) // a write that fails is logged
		})
	}
	if err != nil { // it is neither started nor stopped
		p.log.ErrorContext(ctx, "cannot watch the EndpointSlice", "err", err)
		return
	}
	informer.RunWithContext(unlogged(ctx))
}

// unlogged returns ctx without client-go's log lines. What matters is logged by keep.
func unlogged(ctx context.Context) context.Context { return klog.NewContext(ctx, logr.Discard()) }

// lead makes the Services point at this replica until ctx, that of a term's work, ends. The function it returns waits
// until they do no more, for a bounded time.
func (s *leaderServices) lead(ctx context.Context) (end func()) {
	term, _ := elector.TermFromContext(ctx)
	ended := make(chan struct{})
	s.group.Go(func() {
		defer close(ended)
		select {
		case <-s.located:
		case <-ctx.Done():
			return
		}
		var writing sync.WaitGroup
		defer writing.Wait()
		for _, p := range s.publish {
			writing.Go(func() { p.keep(ctx, s.place, term.Token) })
		}
		for _, p := range s.vacate {
			writing.Go(func() { p.vacate(ctx, s.place, term.Token) })
		}
	})
	return func() {
		select {
		case <-ended:
		case <-time.After(removalTimeout): // a request that ignores its context
		}
	}
}
