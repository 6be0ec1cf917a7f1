// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// A LeaderPort is a port on which the leader serves.
type LeaderPort struct {
	// Name is that of the Service's port. It may be "" if there is only one.
	Name string
	// Port is what the leader listens on. The Service's targetPort has no meaning.
	Port int32
	// Protocol is that of the Service's port. Default: TCP.
	Protocol corev1.Protocol
	// AppProtocol is the application protocol, as in a Service. Default: none.
	AppProtocol string
}

// WithLeaderService makes a Service point at the leader. Create the Service without a selector, in the namespace and
// the cluster of the Lease. The Manager does not read it. Give WithLeaderService more than once for more Services.
// Without leader election it does nothing.
//
// The leader writes an EndpointSlice when its gated work has been started, and keeps it as long as the work may run: it
// repairs what somebody edits or deletes. There is one for each IP family of the pod, NAME-ipv4 and NAME-ipv6, with one
// ready address at most. From the one of a family that the pod lacks it removes what a former leader has left. That is
// not the pod's readiness: the address is there for as long as the pod leads.
//
// When the work is told to stop, the leader removes its address, and the Lease is released after that, or half a second
// later at most. A leader that crashes or cannot reach the API server can remove nothing. Its address stays until the
// next leader replaces it, which is as long as a takeover takes. Writes are compare-and-swap and carry the term's
// token, so that a former leader never replaces a later one's address.
//
// The address is that of the environment's POD_IPS or POD_IP (status.podIPs, status.podIP by valueFrom.fieldRef) or
// else that of the Pod named $POD_NAME, or like the host. The EndpointSlice is owned by this Pod, so that garbage
// collection removes it when the last leader's Pod is deleted. If the Pod cannot be read, or the Lease is not in its
// namespace and cluster, it has no owner and stays. Every replica watches the EndpointSlices. The README has the Role
// that this needs.
func WithLeaderService(name string, ports ...LeaderPort) Option {
	return func(s *settings) {
		s.services = append(s.services, leaderService{name: name, ports: slices.Clone(ports)})
	}
}

type leaderService struct {
	name  string
	ports []LeaderPort
}

// sliceName returns the name of the Service's EndpointSlice for an IP family.
func (s leaderService) sliceName(family discoveryv1.AddressType) string {
	if family == discoveryv1.AddressTypeIPv6 {
		return s.name + "-ipv6"
	}
	return s.name + "-ipv4"
}

// faults returns what the API server would refuse.
func (s leaderService) faults() (faults []error) {
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("WithLeaderService %q: "+format, append([]any{s.name}, args...)...))
	}
	for _, rule := range validation.IsDNS1123Label(s.name) {
		fault("name: %s", rule)
	}
	if len(s.ports) == 0 {
		fault("ports: at least one is required")
	}
	names := map[string]bool{}
	for i, p := range s.ports {
		if names[p.Name] {
			fault("ports[%d].Name: %q: must be unique", i, p.Name)
		}
		names[p.Name] = true
		switch {
		case p.Name == "" && len(s.ports) > 1:
			fault("ports[%d].Name: \"\": is required with more than one port", i)
		case p.Name != "":
			for _, rule := range validation.IsDNS1123Label(p.Name) {
				fault("ports[%d].Name: %q: %s", i, p.Name, rule)
			}
		}
		for _, rule := range validation.IsValidPortNum(int(p.Port)) {
			fault("ports[%d].Port: %d: %s", i, p.Port, rule)
		}
		if !slices.Contains([]corev1.Protocol{"", corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}, p.Protocol) {
			fault("ports[%d].Protocol: %q: must be TCP, UDP or SCTP", i, p.Protocol)
		}
		if p.AppProtocol != "" {
			for _, rule := range validation.IsQualifiedName(p.AppProtocol) {
				fault("ports[%d].AppProtocol: %q: %s", i, p.AppProtocol, rule)
			}
		}
	}
	return faults
}

// serviceFaults returns what is wrong with the Services, and with the addresses in the environment.
func serviceFaults(services []leaderService) (faults []error) {
	names := map[string]bool{}
	for _, s := range services {
		if names[s.name] {
			faults = append(faults, fmt.Errorf("WithLeaderService %q: given twice", s.name))
		}
		names[s.name] = true
		faults = append(faults, s.faults()...)
	}
	if len(services) > 0 {
		if _, err := readPodEnvironment(); err != nil {
			faults = append(faults, fmt.Errorf("WithLeaderService: %w", err))
		}
	}
	return faults
}
