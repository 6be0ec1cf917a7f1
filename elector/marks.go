// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"maps"
	"slices"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxAnnotations is how many bytes all annotations of an object may have, by the API server's
// validation.
const maxAnnotations = 256 << 10

// marks are what a write puts on the Lease beside the record. Nothing depends on them but what is
// told to others, and how soon one of them leads after a crash.
type marks struct {
	labels      map[string]string // set beside those that are there
	annotations map[string]string // Config.Annotations
	token       Token             // "" in a claim, which does not know it yet
	container   string            // the ContainerAnnotation, "" for none
	last        *LastTerm
}

// put replaces the marks of the write before by those of a write that names a holder, unless
// signature is "". What does not fit into the annotations of others is left out.
func (m marks) put(lease *coordinationv1.Lease, signature string) {
	for k, v := range m.labels {
		metav1.SetMetaDataLabel(&lease.ObjectMeta, k, v)
	}
	request := lease.Annotations[StepDownAnnotation]
	for _, key := range leaderKeys(lease.Annotations) {
		delete(lease.Annotations, key)
	}
	for _, key := range []string{WriterAnnotation, LeaderTokenAnnotation, LeaderAnnotationsAnnotation, ContainerAnnotation, LastTermAnnotation, StepDownAnnotation} {
		delete(lease.Annotations, key)
	}
	set := func(group map[string]string) {
		all := map[string]string{}
		maps.Copy(all, lease.Annotations)
		maps.Copy(all, group)
		if room(all) >= 0 {
			lease.Annotations = all
		}
	}
	if signature != "" {
		set(map[string]string{WriterAnnotation: signature})
		set(map[string]string{LeaderTokenAnnotation: string(m.token)})
		if m.container != "" {
			set(map[string]string{ContainerAnnotation: m.container})
		}
		if request != "" && request == string(m.token) { // it is being obeyed
			set(map[string]string{StepDownAnnotation: request})
		}
		if len(m.annotations) > 0 {
			group := maps.Clone(m.annotations)
			group[LeaderAnnotationsAnnotation] = strings.Join(slices.Sorted(maps.Keys(m.annotations)), ",")
			set(group)
		}
	}
	if last := m.last; last != nil {
		if signature == "" { // by its time others know that it is about this release
			released := *last
			released.Ended = lease.Spec.RenewTime.Time
			last = &released
		}
		set(map[string]string{LastTermAnnotation: last.encode()})
	}
}

// room returns how many more bytes the annotations may have.
func room(annotations map[string]string) int { return maxAnnotations - size(annotations) }

func size(annotations map[string]string) int {
	n := 0
	for k, v := range annotations {
		n += len(k) + len(v)
	}
	return n
}
