// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/examples/operator/api/v1alpha1"
	"github.com/kube-elector/elector/test/node/cluster"
)

// A theatre is a cluster with subjects that play.
type theatre struct {
	options
	config *rest.Config
	node   *cluster.Cluster // nil: the cluster is the user's; image is then of the options

	daemons sync.Mutex // held while chaos kills or starts servers of the node

	mu      sync.Mutex // guards what is below
	results []result
}

// A result is what all samples of one play and subject have shown.
type result struct {
	Play, Subject string
	Samples       []sample
}

// start starts a node that has the images.
func (o options) start(ctx context.Context) (*cluster.Cluster, error) {
	node, err := cluster.Start(ctx, o.programs)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(
		node.Import(ctx, cluster.PauseImage, filepath.Join(o.images, "pause")),
		node.Import(ctx, imageName, filepath.Join(o.images, "operator"), filepath.Join(o.images, "replica")),
	); err != nil {
		return nil, errors.Join(err, node.Stop())
	}
	return node, nil
}

// with calls f with a stage for the subject, and removes that afterwards.
func (t *theatre) with(ctx context.Context, sub subject, f func(context.Context, *stage) error) (err error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	s := &stage{subject: sub, namespace: "node-test-" + rand.String(5), image: t.image, node: t.node}
	if s.client, err = client.New(t.config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	streaming := rest.CopyConfig(t.config)
	streaming.Timeout = 0 // It would end watches.
	if s.clientset, err = kubernetes.NewForConfig(streaming); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	s.run(watching)
	defer func() {
		stop()
		s.watchers.Wait()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, s.remove(ending))
	}()
	if err := s.deploy(ctx, sub); err != nil {
		return err
	}
	if err := s.calm(ctx); err != nil {
		return err
	}
	return f(ctx, s)
}

// remove removes what deploy made, but for the CustomResourceDefinition and the keeper of the policies.
func (s *stage) remove(ctx context.Context) error {
	var faults []error
	for _, object := range append(s.made, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}) {
		faults = append(faults, client.IgnoreNotFound(s.client.Delete(ctx, object)))
	}
	return errors.Join(faults...)
}

// play plays all of the plays count times. It goes on after one that fails.
func (t *theatre) play(ctx context.Context, s *stage, count int, plays ...play) error {
	var faults []error
	for _, p := range plays {
		r := result{Play: p.name, Subject: s.subject.name}
		for range count {
			one, err := p.run(ctx, s)
			if err != nil {
				err = fmt.Errorf("%s, %s: %w", r.Subject, r.Play, err)
				fmt.Fprintln(os.Stderr, "node:", err)
				faults = append(faults, err)
				if err := s.calm(ctx); err != nil {
					return errors.Join(append(faults, err)...)
				}
				continue
			}
			r.Samples = append(r.Samples, one)
			fmt.Fprintf(os.Stderr, "node: %s, %s: %v without a leader, %v after the status showed it, %d terms, %d warnings and errors\n", r.Subject, r.Play,
				one.Gap.Round(time.Millisecond), one.Visible.Round(time.Millisecond), one.Leaders, len(one.Troubles))
			for _, line := range one.Troubles {
				fmt.Fprintln(os.Stderr, "node: logged", line)
			}
		}
		t.mu.Lock()
		t.results = append(t.results, r)
		t.mu.Unlock()
	}
	return errors.Join(faults...)
}

// perform plays what the options ask for.
func (t *theatre) perform(ctx context.Context) error {
	switch {
	case t.keep:
		<-ctx.Done()
		return nil
	case t.chaos > 0:
		faults := make([]error, 3) // at once
		var group sync.WaitGroup
		for i := range faults {
			group.Go(func() {
				faults[i] = t.with(ctx, crowded, func(ctx context.Context, s *stage) error { return t.disturb(ctx, s, uint64(i)) })
			})
		}
		group.Wait()
		return errors.Join(faults...)
	case t.short:
		return errors.Join(t.with(ctx, fenced, func(ctx context.Context, s *stage) error {
			return t.play(ctx, s, t.count, crashes[0], departures[0], departures[len(departures)-1])
		}), t.judge())
	}
	began := time.Now()
	all := func(count int, plays ...play) func(context.Context, *stage) error {
		return func(ctx context.Context, s *stage) error { return t.play(ctx, s, count, plays...) }
	}
	ours, plain := append(append([]play{}, crashes...), departures...), crashes[:1]
	if t.node == nil { // What it takes to play the others is out of reach.
		ours = append(append([]play{}, plain...), departures...)
	}
	faults := []error{t.with(ctx, fenced, all(t.count, ours...)), t.with(ctx, single, all(t.count, plain...))}
	// The rest waits for most of its time, so all of it plays at once.
	var group sync.WaitGroup
	for _, sub := range append([]subject{waiting, without}, others...) {
		group.Go(func() {
			err := t.with(ctx, sub, all(max(1, t.count/5), ours...))
			t.mu.Lock()
			defer t.mu.Unlock()
			faults = append(faults, err)
		})
	}
	group.Wait()
	if t.node != nil {
		for _, sub := range append([]subject{fenced}, others...) {
			faults = append(faults, t.with(ctx, sub, all(max(1, t.count/10), outages...)))
		}
	}
	return errors.Join(append(faults, t.publish(ctx, began))...)
}

// nodeVersion returns the versions of the node's kubelet and container runtime.
func (t *theatre) nodeVersion(ctx context.Context) (string, error) {
	client, err := kubernetes.NewForConfig(t.config)
	if err != nil {
		return "", err
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil || len(nodes.Items) == 0 {
		return "", fmt.Errorf("no nodes: %w", err)
	}
	info := nodes.Items[0].Status.NodeInfo
	return fmt.Sprintf("Kubernetes %s, %s", info.KubeletVersion, info.ContainerRuntimeVersion), nil
}
