// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"k8s.io/client-go/kubernetes"
	authorizationv1 "k8s.io/client-go/kubernetes/typed/authorization/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	discoveryv1 "k8s.io/client-go/kubernetes/typed/discovery/v1"
	"k8s.io/client-go/rest"

	"github.com/kube-elector/elector/elector"
)

// leaseClientset has the groups of the API that the Elector, its preflight and the leader's Services use.
// kubernetes.NewForConfig would link the code of all the others too.
type leaseClientset struct {
	kubernetes.Interface // nil: none of the others is ever asked for

	coordination  coordinationv1.CoordinationV1Interface
	authorization authorizationv1.AuthorizationV1Interface
	core          corev1.CoreV1Interface
	discovery     discoveryv1.DiscoveryV1Interface
}

func newLeaseClientset(cfg *rest.Config, config elector.Config) (*leaseClientset, error) {
	cfg, err := elector.RESTConfig(cfg, config)
	if err != nil {
		return nil, err
	}
	client, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, err
	}
	var c leaseClientset
	if c.coordination, err = coordinationv1.NewForConfigAndClient(cfg, client); err != nil {
		return nil, err
	}
	if c.authorization, err = authorizationv1.NewForConfigAndClient(cfg, client); err != nil {
		return nil, err
	}
	if c.core, err = corev1.NewForConfigAndClient(cfg, client); err != nil {
		return nil, err
	}
	if c.discovery, err = discoveryv1.NewForConfigAndClient(cfg, client); err != nil {
		return nil, err
	}
	return &c, nil
}

func (c *leaseClientset) CoordinationV1() coordinationv1.CoordinationV1Interface {
	return c.coordination
}

func (c *leaseClientset) AuthorizationV1() authorizationv1.AuthorizationV1Interface {
	return c.authorization
}

func (c *leaseClientset) CoreV1() corev1.CoreV1Interface { return c.core }

func (c *leaseClientset) DiscoveryV1() discoveryv1.DiscoveryV1Interface { return c.discovery }
