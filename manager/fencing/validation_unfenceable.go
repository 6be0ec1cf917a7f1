// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

const (
	claims    = "must not be fenced: a standby could never claim the Lease; the policy guard is for it"
	records   = "must not be fenced: standbys record Events"
	exempt    = "cannot be fenced: the API server asks no policy about the objects that configure admission"
	asked     = "cannot be fenced: the API server asks no policy about reviews"
	connected = "cannot be fenced: it is connected to (CONNECT), and policies look at CREATE, UPDATE and DELETE"
	partly    = "cannot be fenced: some of its subresources are connected to (CONNECT), name the others"
	read      = "cannot be fenced: it is only read"
)

// unfenceable returns why policies do not work for a resource of Kubernetes or its subresource, or "".
func unfenceable(group, resource, subresource string) string {
	if why := unfenceableResources[[2]string{group, resource}]; why != "" {
		return why
	}
	if group == "" {
		return unfenceableSubresources[resource+"/"+subresource]
	}
	return ""
}

var unfenceableResources = map[[2]string]string{
	{"coordination.k8s.io", "leases"}: claims,
	{"", "events"}:                    records,
	{"events.k8s.io", "events"}:       records,
	{"", "componentstatuses"}:         read,

	// IsExemptAdmissionConfigurationResource in k8s.io/apiserver.
	{"admissionregistration.k8s.io", "validatingwebhookconfigurations"}:   exempt,
	{"admissionregistration.k8s.io", "mutatingwebhookconfigurations"}:     exempt,
	{"admissionregistration.k8s.io", "validatingadmissionpolicies"}:       exempt,
	{"admissionregistration.k8s.io", "validatingadmissionpolicybindings"}: exempt,
	{"admissionregistration.k8s.io", "mutatingadmissionpolicies"}:         exempt,
	{"admissionregistration.k8s.io", "mutatingadmissionpolicybindings"}:   exempt,

	// pkg/kubeapiserver/admission/exclusion in k8s.io/kubernetes.
	{"authentication.k8s.io", "selfsubjectreviews"}:       asked,
	{"authentication.k8s.io", "tokenreviews"}:             asked,
	{"authorization.k8s.io", "localsubjectaccessreviews"}: asked,
	{"authorization.k8s.io", "selfsubjectaccessreviews"}:  asked,
	{"authorization.k8s.io", "selfsubjectrulesreviews"}:   asked,
	{"authorization.k8s.io", "subjectaccessreviews"}:      asked,
}

// unfenceableSubresources are of the core group.
var unfenceableSubresources = map[string]string{
	"pods/attach": connected, "pods/exec": connected, "pods/portforward": connected, "pods/proxy": connected,
	"services/proxy": connected, "nodes/proxy": connected,
	"pods/log": read,
	"pods/*":   partly, "services/*": partly, "nodes/*": partly,
}
