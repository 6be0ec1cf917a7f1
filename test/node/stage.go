// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/examples/operator/report"
	"github.com/kube-elector/elector/test/harness"
	"github.com/kube-elector/elector/test/node/cluster"
)

// An instance is one run of a pod's container.
type instance struct {
	pod      types.UID
	restarts int32
}

// An event is what an instance has logged, or what its Pod's status shows.
type event struct {
	at   time.Time
	kind string // of a report, or one of the below
	who  instance
	text string
}

const (
	ended = "ended" // the end of the instance was seen in the status
	noise = "noise" // the instance has logged a warning or an error; the text is the line
)

// A stage is the namespace of a subject, and knows what happens there.
type stage struct {
	subject   subject
	client    client.Client
	clientset kubernetes.Interface
	namespace string
	image     string
	node      *cluster.Cluster // nil: the cluster is the user's
	watchers  sync.WaitGroup
	made      []client.Object // that do not go with the namespace

	mu     sync.Mutex // guards all below
	events []event
	known  map[types.UID]*corev1.Pod // those that exist
	read   map[instance]bool         // whose logs are read
}

// run watches until ctx ends.
func (s *stage) run(ctx context.Context) {
	s.known, s.read = map[types.UID]*corev1.Pod{}, map[instance]bool{}
	s.watchers.Go(func() {
		for ctx.Err() == nil {
			if w, err := s.clientset.CoreV1().Pods(s.namespace).Watch(ctx, metav1.ListOptions{LabelSelector: "control-plane"}); err == nil {
				for e := range w.ResultChan() {
					if pod, ok := e.Object.(*corev1.Pod); ok {
						s.saw(ctx, pod, e.Type == watch.Deleted)
					}
				}
			}
			_ = harness.Pause(ctx, 50*time.Millisecond) // until it works again
		}
	})
}

// saw takes in the state of a Pod.
func (s *stage) saw(ctx context.Context, pod *corev1.Pod, deleted bool) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[pod.UID] = pod
	if deleted {
		delete(s.known, pod.UID)
	}
	if len(pod.Status.ContainerStatuses) == 0 {
		return
	}
	status := pod.Status.ContainerStatuses[0]
	who := instance{pod.UID, status.RestartCount}
	gone := who
	if status.State.Terminated == nil {
		gone.restarts--
	}
	over := func(e event) bool { return e.who == gone && e.kind == ended }
	if (status.State.Terminated != nil || status.LastTerminationState.Terminated != nil) && !slices.ContainsFunc(s.events, over) {
		s.events = append(s.events, event{now, ended, gone, ""})
	}
	if status.State.Running != nil && !s.read[who] {
		s.read[who] = true
		s.watchers.Go(func() { s.readLog(ctx, pod.Name, who) })
	}
}

// readLog reads the log of an instance to its end. After the log of a broken connection it reads it again.
func (s *stage) readLog(ctx context.Context, pod string, who instance) {
	first, count := "", 0
	for ctx.Err() == nil {
		over := s.over(who)
		stream, err := s.clientset.CoreV1().Pods(s.namespace).GetLogs(pod, &corev1.PodLogOptions{Container: "manager", Follow: true}).Stream(ctx)
		if err == nil {
			n := 0
			lines := bufio.NewScanner(stream)
			lines.Buffer(nil, 1<<20)
			for ; lines.Scan(); n++ {
				if n == 0 && first == "" {
					first = lines.Text()
				}
				if n == 0 && first != lines.Text() {
					break // It is that of the next instance.
				}
				if n >= count {
					s.take(who, lines.Bytes())
					count++
				}
			}
			_ = stream.Close() // It was only read.
		}
		if over {
			return
		}
		_ = harness.Pause(ctx, 100*time.Millisecond)
	}
}

// over reports whether an instance has ended.
func (s *stage) over(who instance) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	pod := s.known[who.pod]
	if pod == nil || len(pod.Status.ContainerStatuses) == 0 {
		return true
	}
	status := pod.Status.ContainerStatuses[0]
	return status.RestartCount > who.restarts || status.State.Running == nil
}

// take takes in a line of the log.
func (s *stage) take(who instance, line []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, r, ok := report.Parse(line); ok {
		s.events = append(s.events, event{at, r.Event, who, r.Cause})
		return
	}
	var entry struct {
		Level string
		Time  time.Time
	}
	if err := json.Unmarshal(line, &entry); err != nil && !bytes.HasPrefix(line, []byte("panic:")) {
		return // the trace of a panic
	}
	if entry.Level == "WARN" || entry.Level == "ERROR" {
		s.events = append(s.events, event{entry.Time, noise, who, string(line)})
	}
}

// pods returns the Pods there are.
func (s *stage) pods() (all []*corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pod := range s.known {
		all = append(all, pod)
	}
	return all
}

// since returns the events of a kind that happened later, in their order.
func (s *stage) since(at time.Time, kind string) (found []event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.kind == kind && e.at.After(at) {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b event) int { return a.at.Compare(b.at) })
	return found
}

// await returns the first event of a kind that happened later.
func (s *stage) await(ctx context.Context, at time.Time, kind string) (e event, err error) {
	return e, harness.Poll(ctx, time.Minute, kind+" in "+s.namespace, func(context.Context) error {
		found := s.since(at, kind)
		if len(found) == 0 {
			return fmt.Errorf("none since %v", at)
		}
		e = found[0]
		return nil
	})
}

// leader returns the instance that leads, and its Pod.
func (s *stage) leader(ctx context.Context) (who instance, pod *corev1.Pod, err error) {
	return who, pod, harness.Poll(ctx, time.Minute, "a leader in "+s.namespace, func(context.Context) error {
		begun := s.since(time.Time{}, report.EventLeading)
		if len(begun) == 0 {
			return fmt.Errorf("nobody has led")
		}
		last := begun[len(begun)-1]
		who = last.who
		if s.over(who) || slices.ContainsFunc(s.since(last.at, report.EventStopped), func(e event) bool { return e.who == who }) {
			return fmt.Errorf("the last one has ended")
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		pod = s.known[who.pod]
		return nil
	})
}
