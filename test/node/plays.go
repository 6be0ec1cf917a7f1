// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/examples/operator/report"
	"github.com/kube-elector/elector/test/harness"
	"github.com/kube-elector/elector/test/node/victim"
)

// A sample is what one play has shown.
type sample struct {
	Gap      time.Duration // the longest time in which nobody led
	Visible  time.Duration // before the next one led, the end was seen in the status; 0 if it was not
	Worked   time.Duration // from then to its first reconcile
	Restart  time.Duration // from the beginning of the restarted process; one replica
	Leaders  int           // terms that began
	Troubles []string      // warnings and errors in the logs
}

// A play is something that happens to the leader, or to the node.
type play struct {
	name string
	run  func(context.Context, *stage) (sample, error)
}

var crashes = []play{
	{"SIGKILL", func(ctx context.Context, s *stage) (sample, error) { return s.crash(ctx, signalled(victim.Kill...)) }},
	{"out of memory", func(ctx context.Context, s *stage) (sample, error) { return s.crash(ctx, exhausted) }},
	{"exit 1", func(ctx context.Context, s *stage) (sample, error) { return s.crash(ctx, signalled(victim.Exit...)) }},
	{"panic", func(ctx context.Context, s *stage) (sample, error) { return s.crash(ctx, signalled(victim.Panic...)) }},
}

var departures = []play{
	{"delete pod", func(ctx context.Context, s *stage) (sample, error) {
		return s.leave(ctx, func(pod *corev1.Pod) error { return s.client.Delete(ctx, pod) })
	}},
	{"eviction", func(ctx context.Context, s *stage) (sample, error) {
		return s.leave(ctx, func(pod *corev1.Pod) error {
			eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}}
			return s.clientset.PolicyV1().Evictions(pod.Namespace).Evict(ctx, eviction)
		})
	}},
	{"force deletion", func(ctx context.Context, s *stage) (sample, error) {
		return s.leave(ctx, func(pod *corev1.Pod) error { return s.client.Delete(ctx, pod, client.GracePeriodSeconds(0)) })
	}},
	{"rollout", rollout},
}

// crash ends the leader's process, and replaces its pod afterwards, so that each crash is the first of a fresh pod.
func (s *stage) crash(ctx context.Context, end func(context.Context, *stage, *corev1.Pod) (time.Time, error)) (sample, error) {
	// The kubelet looks once a second. What comes before takes about as long each time, and would always meet it alike.
	if err := harness.Pause(ctx, rand.N(time.Second)); err != nil { //nolint:gosec // not a secret
		return sample{}, err
	}
	began := time.Now()
	old, pod, err := s.leader(ctx)
	if err != nil {
		return sample{}, err
	}
	death, err := end(ctx, s, pod)
	if err != nil {
		return sample{}, err
	}
	next, err := s.await(ctx, began, report.EventLeading)
	if err != nil {
		return sample{}, err
	}
	if slices.ContainsFunc(s.since(began, report.EventStopped), func(e event) bool { return e.who == old }) {
		// The signal that asked it to stop was faster than the one that made it exit.
		if err := s.calm(ctx); err != nil {
			return sample{}, err
		}
		return s.crash(ctx, end)
	}
	r := sample{Gap: next.at.Sub(death), Leaders: 1}
	if next.who.pod == old.pod && s.node != nil {
		if r.Restart, err = s.restart(next); err != nil {
			return r, err
		}
	}
	if err := s.firstWork(ctx, next, &r); err != nil {
		return r, err
	}
	for _, e := range s.since(death, ended) {
		if e.who == old && e.at.Before(next.at) {
			r.Visible = next.at.Sub(e.at)
		}
	}
	err = s.client.Delete(ctx, pod, client.GracePeriodSeconds(0))
	if err == nil {
		err = s.calm(ctx)
	}
	r.Troubles = s.troubles(began)
	return r, err
}

// firstWork waits for the first reconcile of the operator's term.
func (s *stage) firstWork(ctx context.Context, began event, r *sample) error {
	if s.subject.peer != "" {
		return nil
	}
	// It may be logged before the beginning of the term is.
	worked, err := s.await(ctx, began.at.Add(-50*time.Millisecond), report.EventWorked)
	r.Worked = max(time.Microsecond, worked.at.Sub(began.at))
	return err
}

// restart returns how long before the event its process began.
func (s *stage) restart(e event) (time.Duration, error) {
	s.mu.Lock()
	container := s.known[e.who.pod].Status.ContainerStatuses[0].ContainerID
	s.mu.Unlock()
	p, err := victim.Find(container)
	if err != nil {
		return 0, err
	}
	began, err := p.Began()
	return e.at.Sub(began), errors.Join(err, p.Close())
}

// calm returns when a leader leads, and all replicas have had a second to watch it.
func (s *stage) calm(ctx context.Context) error {
	if err := s.settled(ctx); err != nil {
		return err
	}
	_, _, err := s.leader(ctx)
	return errors.Join(err, harness.Pause(ctx, time.Second))
}

// troubles returns what was logged as a warning or an error.
func (s *stage) troubles(since time.Time) (all []string) {
	for _, e := range s.since(since, noise) {
		all = append(all, e.text)
	}
	return all
}

// leave takes the leader away in a way that lets it hand over. Its work returns before the next one leads.
func (s *stage) leave(ctx context.Context, take func(*corev1.Pod) error) (sample, error) {
	began := time.Now()
	_, pod, err := s.leader(ctx)
	if err != nil {
		return sample{}, err
	}
	if err := take(pod); err != nil {
		return sample{}, err
	}
	next, err := s.await(ctx, began, report.EventLeading)
	if err != nil {
		return sample{}, err
	}
	r := sample{Leaders: 1}
	if err := s.firstWork(ctx, next, &r); err != nil {
		return r, err
	}
	err = s.calm(ctx)
	r.Gap, r.Troubles = s.longest(began), s.troubles(began)
	return r, err
}

// rollout replaces all pods, one by one.
func rollout(ctx context.Context, s *stage) (sample, error) {
	began := time.Now()
	if err := s.change(ctx, func(t *corev1.PodTemplateSpec) {
		t.Annotations = map[string]string{"rolled-out": began.Format(time.RFC3339Nano)}
	}); err != nil {
		return sample{}, err
	}
	err := s.calm(ctx)
	return sample{Gap: s.longest(began), Leaders: len(s.since(began, report.EventLeading)), Troubles: s.troubles(began)}, err
}

// longest returns the longest time from the end of a term to the beginning of the next.
func (s *stage) longest(since time.Time) (d time.Duration) {
	for _, stopped := range s.since(since, report.EventStopped) {
		if begun := s.since(stopped.at, report.EventLeading); len(begun) > 0 {
			d = max(d, begun[0].at.Sub(stopped.at))
		}
	}
	return d
}

// hang stops the leader's process, which a liveness probe notices. The gap is counted from its death.
func hang(ctx context.Context, s *stage) (sample, error) {
	if err := s.change(ctx, func(t *corev1.PodTemplateSpec) {
		t.Spec.Containers[0].LivenessProbe = &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"/replica", "probe"}}},
			PeriodSeconds: 1, FailureThreshold: 1, TimeoutSeconds: 5, TerminationGracePeriodSeconds: ptr.To[int64](1),
		}
	}); err != nil {
		return sample{}, err
	}
	if err := s.calm(ctx); err != nil {
		return sample{}, err
	}
	r, err := s.crash(ctx, stalled)
	return r, errors.Join(err, s.change(ctx, func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].LivenessProbe = nil }), s.calm(ctx))
}

// restarted returns a play in which servers of the node are killed and, after a while, started again. The leader must
// not change for that.
func restarted(what string, pause time.Duration, servers func(*stage) *harness.Server) play {
	return play{what, func(ctx context.Context, s *stage) (sample, error) {
		began := time.Now()
		server := servers(s)
		if err := errors.Join(server.Kill(), harness.Pause(ctx, pause), server.Start(), s.node.Ready(ctx), s.calm(ctx), harness.Pause(ctx, 2*time.Second)); err != nil {
			return sample{}, fmt.Errorf("%s: %w", what, err)
		}
		return sample{Gap: s.longest(began), Leaders: len(s.since(began, report.EventLeading)), Troubles: s.troubles(began)}, nil
	}}
}

var outages = []play{
	{"liveness failure", hang},
	restarted("kubelet restart", 0, func(s *stage) *harness.Server { return s.node.Kubelet }),
	restarted("containerd restart", 0, func(s *stage) *harness.Server { return s.node.Containerd }),
	restarted("API server restart", 0, func(s *stage) *harness.Server { return s.node.Server }),
	{"SIGKILL, node without kubelet", func(ctx context.Context, s *stage) (r sample, err error) {
		if err := s.node.Kubelet.Kill(); err != nil {
			return r, err
		}
		// Logs can only be read, and the pod only be replaced, when the kubelet is back.
		return s.crash(ctx, func(ctx context.Context, s *stage, pod *corev1.Pod) (time.Time, error) {
			death, err := signalled(victim.Kill...)(ctx, s, pod)
			return death, errors.Join(err, harness.Pause(ctx, 25*time.Second), s.node.Kubelet.Start())
		})
	}},
}
