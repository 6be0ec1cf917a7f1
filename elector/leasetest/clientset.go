// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"errors"
	"fmt"
	"net/http"
	"sync"

	"k8s.io/client-go/kubernetes"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

// otherGroups is a real clientset whose every request fails with a clear error, under a name that keeps the embedded
// field out of Client's documentation.
type otherGroups = kubernetes.Interface

var errNotServed = errors.New("leasetest serves nothing but Leases of coordination.k8s.io/v1, and get, list and watch of Pods")

type refuse struct{}

func (refuse) RoundTrip(*http.Request) (*http.Response, error) { return nil, errNotServed }

// noOtherGroups returns one clientset for all Clients, for making it takes a while.
var noOtherGroups = sync.OnceValue(func() otherGroups {
	// QPS -1 turns off the rate limiter.
	config := &rest.Config{Host: "http://leasetest.invalid", QPS: -1}
	clientset, err := kubernetes.NewForConfigAndClient(config, &http.Client{Transport: refuse{}})
	if err != nil {
		panic(fmt.Sprintf("leasetest: a constant configuration is refused: %v", err))
	}
	return clientset
})

// coordination serves Leases. The embedded client refuses the rest.
type coordination struct {
	coordinationv1client.CoordinationV1Interface
	client *Client
}

func (c coordination) Leases(namespace string) coordinationv1client.LeaseInterface {
	return leases{c.client, namespace}
}

// core serves Pods, to read them. The embedded client refuses the rest.
type core struct {
	corev1client.CoreV1Interface
	client *Client
}

func (c core) Pods(namespace string) corev1client.PodInterface {
	return pods{c.CoreV1Interface.Pods(namespace), c.client, namespace}
}
