// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
)

// CoreV1 serves Pods over the link.
func (l *link) CoreV1() coreclient.CoreV1Interface { return linkCore{l.client.CoreV1(), l} }

type linkCore struct {
	coreclient.CoreV1Interface
	link *link
}

func (g linkCore) Pods(namespace string) coreclient.PodInterface {
	return linkPods{g.CoreV1Interface.Pods(namespace), g.link}
}

type linkPods struct {
	coreclient.PodInterface
	link *link
}

func (p linkPods) Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Pod, error) {
	return over(ctx, p.link, func() (*corev1.Pod, error) { return p.PodInterface.Get(ctx, name, opts) })
}

func (p linkPods) Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	return watchOver(ctx, p.link, opts, p.PodInterface.Watch)
}
