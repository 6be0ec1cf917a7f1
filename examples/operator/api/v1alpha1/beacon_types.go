// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ConditionReady says whether the Beacon flashes as its spec of the observed generation wants.
const ConditionReady = "Ready"

// BeaconSpec says how often a Beacon is to flash.
type BeaconSpec struct {
	// interval is the time from one flash to the next, at least 100ms.
	// +kubebuilder:default="1s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms')",message="must be at least 100ms"
	// +optional
	Interval metav1.Duration `json:"interval,omitempty"`
}

// BeaconStatus says what has been done for a Beacon, by whom and in which term.
type BeaconStatus struct {
	// flashes is how often the Beacon has flashed.
	// +optional
	Flashes int64 `json:"flashes,omitempty"`

	// lastFlash is when it last did.
	// +optional
	LastFlash metav1.MicroTime `json:"lastFlash,omitzero"`

	// litBy is the identity of the leader that did it.
	// +optional
	LitBy string `json:"litBy,omitempty"`

	// token is the fencing token of that leader's term: it never falls.
	// +optional
	Token string `json:"token,omitempty"`

	// conditions has "Ready".
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Beacon flashes at an interval for as long as a leader reconciles it: its status shows who works, and the gaps.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Interval",type=string,JSONPath=`.spec.interval`
// +kubebuilder:printcolumn:name="Flashes",type=integer,JSONPath=`.status.flashes`
// +kubebuilder:printcolumn:name="Lit by",type=string,JSONPath=`.status.litBy`
// +kubebuilder:printcolumn:name="Token",type=string,JSONPath=`.status.token`
// +kubebuilder:printcolumn:name="Last flash",type=date,JSONPath=`.status.lastFlash`
type Beacon struct {
	metav1.TypeMeta `json:",inline"`

	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// +kubebuilder:default={}
	// +optional
	Spec BeaconSpec `json:"spec,omitzero"`

	// +optional
	Status BeaconStatus `json:"status,omitzero"`
}

// BeaconList is a list of Beacons.
// +kubebuilder:object:root=true
type BeaconList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []Beacon `json:"items"`
}
