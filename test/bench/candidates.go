// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/klog/v2"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/test/harness"
)

// The names of the subjects, and of what they are compared with.
const (
	ours              = harness.Ours
	clientGo          = harness.ClientGo
	clientGoWatch     = "client-go + watch"
	controllerRuntime = harness.ControllerRuntime
	scaffolded        = "controller-runtime, as scaffolded"
	floor             = "by hand"
)

// subject is a kind of leader election.
type subject struct {
	name string
	// clientset makes the clientset that its users are told to use.
	clientset func(*rest.Config, timing) (kubernetes.Interface, error)
	candidate func(way, seat, timing) (candidate, error)
}

// way is how a candidate reaches the API server.
type way struct {
	config *rest.Config
	client kubernetes.Interface // for the Lease, made from config
	log    *slog.Logger
}

// way makes the one that a subject's users are told to use.
func (s subject) way(cfg *rest.Config, t timing) (way, error) {
	client, err := s.clientset(cfg, t)
	return way{cfg, client, slog.New(slog.DiscardHandler)}, err
}

// seat is what a candidate contends for, under which identity, and what it does as a leader until its context ends.
type seat struct {
	namespace, lease, identity string
	lead                       func(context.Context)
}

// candidate is one that stands by, leads, and releases the Lease when the context of Start ends. Start may also return
// when it has lost the Lease.
type candidate interface {
	Start(context.Context) error
	IsLeader() bool
	GetLeader() string
}

// peers are the subjects that most measurements compare.
var peers = []subject{
	{ours, oursClientset, oursCandidate},
	{clientGo, clientGoClientset, clientGoCandidate},
}

// subjects are all there are.
var subjects = append(slices.Clone(peers), subject{clientGoWatch, clientGoClientset, watchingCandidate})

// electors are the subjects of measurements in which it matters who calls OnStartedLeading. controller-runtime's
// manager has client-go's election inside.
var electors = append(slices.Clone(peers), subject{controllerRuntime, clientGoClientset, managedCandidate})

func subjectNamed(name string) (subject, error) {
	for _, s := range subjects {
		if s.name == name {
			return s, nil
		}
	}
	return subject{}, fmt.Errorf("no such subject: %q", name)
}

func (s seat) with(t timing) harness.Candidate {
	return harness.Candidate{Namespace: s.namespace, Lease: s.lease, Identity: s.identity, Timing: harness.Timing{
		LeaseDuration: time.Duration(t.LeaseDuration), RenewDeadline: time.Duration(t.RenewDeadline), RetryPeriod: time.Duration(t.RetryPeriod),
	}}
}

func oursClientset(cfg *rest.Config, t timing) (kubernetes.Interface, error) {
	return elector.NewClientset(cfg, seat{}.with(t).Config())
}

func oursCandidate(w way, s seat, t timing) (candidate, error) {
	config := s.with(t).Config()
	e, err := elector.New(&config, w.client, elector.Callbacks{OnStartedLeading: s.lead}, w.log)
	if err != nil {
		return nil, err // e would be a candidate that is not nil
	}
	return e, nil
}

// clientGoClientset returns a plain one without a rate limit, since many candidates must not queue for five requests a
// second.
func clientGoClientset(cfg *rest.Config, _ timing) (kubernetes.Interface, error) {
	own := rest.CopyConfig(cfg)
	own.QPS = -1
	return kubernetes.NewForConfig(own)
}

type clientGoElector struct {
	*leaderelection.LeaderElector
	log *slog.Logger
}

func (e clientGoElector) Start(ctx context.Context) error {
	e.Run(klog.NewContext(ctx, logr.FromSlogHandler(e.log.Handler())))
	return nil
}

func clientGoCandidate(w way, s seat, t timing) (candidate, error) {
	e, err := harness.LeaderElector(w.client, s.with(t), leaderelection.LeaderCallbacks{
		OnStartedLeading: s.lead,
		OnStoppedLeading: func() {},
	})
	return clientGoElector{e, w.log}, err
}

// watchingElector is client-go's, with a watch on the Lease beside it that does nothing. It shows what a watch costs.
type watchingElector struct {
	candidate
	client kubernetes.Interface
	seat   seat
}

func watchingCandidate(w way, s seat, t timing) (candidate, error) {
	c, err := clientGoCandidate(w, s, t)
	return watchingElector{c, w.client, s}, err
}

func (e watchingElector) Start(ctx context.Context) error {
	watch, err := e.client.CoordinationV1().Leases(e.seat.namespace).Watch(ctx,
		metav1.ListOptions{FieldSelector: "metadata.name=" + e.seat.lease})
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	group.Go(func() {
		for range watch.ResultChan() {
		}
	})
	err = e.candidate.Start(ctx)
	watch.Stop()
	group.Wait()
	return err
}
