// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kube-elector/elector/test/harness"
)

const (
	timerStep  = time.Millisecond
	probeEvery = 100 * time.Millisecond
	// probeFloor is the least that a hand-over takes where nothing is late.
	probeFloor = 10 * time.Millisecond
)

// Stalls are the times at which this machine was late by itself. Two watchdogs find them. One is a goroutine that waits
// for a millisecond and measures how much longer that took. The other hands over like a leader, since a busy machine
// delays each of the processes that take part in that. It writes to the API server, sees that by a watch, and writes
// and sees again. Its methods may be called concurrently.
type Stalls struct {
	mu   sync.Mutex // guards late
	late []stall
}

type stall struct {
	at time.Time // when it was over
	d  time.Duration
}

func (s *Stalls) note(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = append(s.late, stall{time.Now(), d})
}

// Watch notes late timers until ctx ends.
func (s *Stalls) Watch(ctx context.Context) {
	for {
		before := time.Now()
		if harness.Pause(ctx, timerStep) != nil {
			return
		}
		if late := time.Since(before) - timerStep; late > timerStep {
			s.note(late)
		}
	}
}

// Probe notes slow hand-overs until ctx ends, except while the control plane has a fault.
func (s *Stalls) Probe(ctx context.Context, p *Plane) {
	for ctx.Err() == nil {
		s.probes(ctx, p)
		_ = harness.Pause(ctx, probeEvery)
	}
}

// probes goes on until something fails.
func (s *Stalls) probes(ctx context.Context, p *Plane) {
	api := p.Admin.CoreV1().Namespaces()
	stream, err := api.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + metav1.NamespaceDefault})
	if err != nil {
		return
	}
	defer stream.Stop()
	// patch writes, and waits until the watch has delivered the write.
	patch := func() bool {
		text := []byte(`{"metadata":{"annotations":{"probe":"` + time.Now().String() + `"}}}`)
		made, err := api.Patch(ctx, metav1.NamespaceDefault, types.MergePatchType, text, metav1.PatchOptions{})
		if err != nil {
			return false
		}
		for e := range stream.ResultChan() {
			if seen, ok := e.Object.(*corev1.Namespace); ok && seen.ResourceVersion == made.ResourceVersion {
				return true
			}
		}
		return false
	}
	for harness.Pause(ctx, probeEvery) == nil {
		faults, before := p.Faults.Load(), time.Now()
		released := patch()
		if claimed := released && patch(); !claimed {
			return
		}
		if took := time.Since(before); took > probeFloor && faults == p.Faults.Load() && faults%2 == 0 {
			s.note(took - probeFloor)
		}
	}
}

// Worst returns the longest stall that was going on at any time between the two.
func (s *Stalls) Worst(from, to time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var worst time.Duration
	for _, one := range s.late {
		if one.at.After(from) && one.at.Add(-one.d).Before(to) {
			worst = max(worst, one.d)
		}
	}
	return worst
}
