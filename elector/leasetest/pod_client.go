// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// pods is one client's view of the Pods of one namespace, or of all with "". The embedded client refuses what is not
// served.
type pods struct {
	corev1client.PodInterface
	client    *Client
	namespace string
}

func (p pods) Get(ctx context.Context, name string, _ metav1.GetOptions) (*corev1.Pod, error) {
	if err := sendable(name); err != nil {
		return &corev1.Pod{}, err
	}
	pod, err := call(ctx, p.client, p.op("get", name), func() (*corev1.Pod, error) {
		if pod := p.client.server.GetPod(p.namespace, name); pod != nil {
			return pod, nil
		}
		return nil, apierrors.NewNotFound(corev1.Resource(podKind), name)
	})
	if err != nil {
		return &corev1.Pod{}, err
	}
	return pod, nil
}

func (p pods) List(ctx context.Context, opts metav1.ListOptions) (*corev1.PodList, error) {
	want, selectErr := newSelection(podKind, p.namespace, opts)
	list, err := call(ctx, p.client, p.op("list", want.name), func() (*corev1.PodList, error) {
		if selectErr != nil {
			return nil, selectErr
		}
		found, revision := p.client.server.list(want)
		list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: revision}}
		for _, pod := range found {
			list.Items = append(list.Items, *pod.(*corev1.Pod).DeepCopy())
		}
		return list, nil
	})
	if err != nil {
		return &corev1.PodList{}, err
	}
	return list, nil
}

func (p pods) Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	want, selectErr := newSelection(podKind, p.namespace, opts)
	return call(ctx, p.client, p.op("watch", want.name), func() (watch.Interface, error) {
		if selectErr != nil {
			return nil, selectErr
		}
		return p.client.watch(ctx, want, opts)
	})
}

func (p pods) op(verb, name string) Op {
	return Op{Resource: podKind, Verb: verb, Namespace: p.namespace, Name: name}
}

// The methods below act for the kubelet and for administrators, as those for Leases do: on a connection without faults.

// GetPod returns a copy of the Pod, nil when there is none.
func (s *Server) GetPod(namespace, name string) *corev1.Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pods[types.NamespacedName{Namespace: namespace, Name: name}].DeepCopy()
}

// PutPod stores the Pod, spec and status, in place of what is there, and returns a copy of what it stored. An empty UID
// is taken from the Pod that was there, or made; with another UID, watches see the deletion of the old Pod. It
// validates nothing.
func (s *Server) PutPod(pod *corev1.Pod) *corev1.Pod {
	return s.writePod(pod.Namespace, pod.Name, func(*corev1.Pod) *corev1.Pod { return pod.DeepCopy() })
}

// EditPod changes the Pod in place, spec or status, and returns a copy of what it stored, nil when there is no such
// Pod. It is called with the server locked, so change must not call the server or its clients.
func (s *Server) EditPod(namespace, name string, change func(*corev1.Pod)) *corev1.Pod {
	return s.writePod(namespace, name, func(old *corev1.Pod) *corev1.Pod {
		next := old.DeepCopy()
		if next != nil {
			change(next)
		}
		return next
	})
}

// DeletePod removes the Pod and reports whether there was one. The last that watches are shown of it is what it said.
func (s *Server) DeletePod(namespace, name string) bool {
	existed := false
	s.writePod(namespace, name, func(old *corev1.Pod) *corev1.Pod {
		existed = old != nil
		return nil
	})
	return existed
}

// writePod stores what decide makes of the stored Pod, which may be nil and must not be changed.
func (s *Server) writePod(namespace, name string, decide func(old *corev1.Pod) *corev1.Pod) *corev1.Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := types.NamespacedName{Namespace: namespace, Name: name}
	old := s.pods[at]
	next := decide(old)
	if next == old || next != nil && equality.Semantic.DeepEqual(old, next) {
		return old.DeepCopy()
	}
	if next != nil {
		next.Namespace, next.Name = namespace, name
		if old != nil && next.UID != "" && next.UID != old.UID { // another Pod of that name
			storeLocked(s, s.pods, podKind, at, old, nil)
			old = nil
		}
		uid, since := newborn(s.revision + 1)
		if old != nil {
			uid, since = old.UID, old.CreationTimestamp
		}
		if next.UID == "" {
			next.UID = uid
		}
		if next.CreationTimestamp.IsZero() {
			next.CreationTimestamp = since
		}
	}
	storeLocked(s, s.pods, podKind, at, old, next)
	return next.DeepCopy()
}
