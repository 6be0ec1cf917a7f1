// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector"
)

// sliceManager is what an EndpointSlice of ours is managed by, so that Kubernetes' controllers leave it alone.
const sliceManager = "kube-elector.io"

// endpointSlice returns the EndpointSlice that follows base, or nil for none: with this replica's address, or without
// one.
func (p *publisher) endpointSlice(base *discoveryv1.EndpointSlice, at place, token elector.Token, ready bool) *discoveryv1.EndpointSlice {
	next := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: p.name}, AddressType: p.family}
	if base != nil {
		next = base.DeepCopy()
	}
	metav1.SetMetaDataLabel(&next.ObjectMeta, discoveryv1.LabelServiceName, p.service.name)
	metav1.SetMetaDataLabel(&next.ObjectMeta, discoveryv1.LabelManagedBy, sliceManager)
	metav1.SetMetaDataAnnotation(&next.ObjectMeta, elector.LeaderTokenAnnotation, string(token))
	next.OwnerReferences = nil
	if pod := at.pod; pod != nil {
		next.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID}}
	}
	next.Ports = nil
	for _, port := range p.service.ports {
		next.Ports = append(next.Ports, port.endpointPort())
	}
	next.Endpoints = nil
	if ready {
		next.Endpoints = []discoveryv1.Endpoint{p.endpoint(at)}
	}
	return next
}

func (p *publisher) endpoint(at place) discoveryv1.Endpoint {
	e := discoveryv1.Endpoint{
		Addresses:  []string{at.addresses[p.family]},
		Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true), Serving: ptr.To(true), Terminating: ptr.To(false)},
	}
	if pod := at.pod; pod != nil {
		e.TargetRef = &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}
		if pod.Spec.NodeName != "" {
			e.NodeName = ptr.To(pod.Spec.NodeName)
		}
	}
	return e
}

func (p LeaderPort) endpointPort() discoveryv1.EndpointPort {
	port := discoveryv1.EndpointPort{Name: ptr.To(p.Name), Port: ptr.To(p.Port), Protocol: ptr.To(p.Protocol)}
	if p.Protocol == "" {
		port.Protocol = ptr.To(corev1.ProtocolTCP)
	}
	if p.AppProtocol != "" {
		port.AppProtocol = ptr.To(p.AppProtocol)
	}
	return port
}

// sameEndpoint reports whether both say the same as far as it is ours to say. Hints and labels of others are left
// alone.
func sameEndpoint(a, b *discoveryv1.EndpointSlice) bool {
	content := func(s *discoveryv1.EndpointSlice) any {
		type endpoint struct {
			Addresses []string
			Ready     bool
		}
		var endpoints []endpoint
		for _, e := range s.Endpoints {
			endpoints = append(endpoints, endpoint{e.Addresses, ptr.Deref(e.Conditions.Ready, true)})
		}
		return []any{
			endpoints, s.Ports, s.OwnerReferences, s.Annotations[elector.LeaderTokenAnnotation],
			s.Labels[discoveryv1.LabelServiceName], s.Labels[discoveryv1.LabelManagedBy],
		}
	}
	return equality.Semantic.DeepEqual(content(a), content(b))
}

// later reports whether the EndpointSlice was written in a later term than that of the token. A token that is higher
// than the object's version is from another cluster.
func later(s *discoveryv1.EndpointSlice, token elector.Token) bool {
	if s == nil {
		return false
	}
	theirs := elector.Token(s.Annotations[elector.LeaderTokenAnnotation])
	order, err := theirs.Compare(token)
	plausible, wrong := theirs.Compare(elector.Token(s.ResourceVersion))
	return err == nil && wrong == nil && order > 0 && plausible <= 0
}
