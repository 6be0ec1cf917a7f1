// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// Annotations of a Lease that an Elector holds or has released. [ReadLease] reads them. They are for other processes
// and for people: an Elector knows its own record, and who leads, without them, so that administrators, GitOps tools
// and admission webhooks may remove them. The leader writes them again with its next renewal.
const (
	// WriterAnnotation names the process that wrote the record, and the write. What the other annotations say is about the
	// present holder only if this one is of the record's renewTime.
	WriterAnnotation = "kube-elector.io/writer"
	// LeaderTokenAnnotation is the [Token] of the holder's term. It is empty until the first renewal, which follows the
	// claim at once: the claim itself cannot know its resourceVersion.
	LeaderTokenAnnotation = "kube-elector.io/leader-token"
	// LeaderAnnotationsAnnotation lists the keys of the holder's [Config.Annotations], separated by commas. The next
	// leader removes those that it does not set itself.
	LeaderAnnotationsAnnotation = "kube-elector.io/leader-annotations"
	// ContainerAnnotation names the run of a container that the holder lives in, with
	// [Config.CrashDetection]: its Pod's namespace/name and UID, what its termination log says, its
	// name if that is known, and a hash of the holder's Identity, separated by spaces. Without it the
	// others wait until the Lease lapses.
	ContainerAnnotation = "kube-elector.io/container"
	// LastTermAnnotation says how the term before the present one ended or, on a released Lease, the last one. It is a
	// [LastTerm] in JSON.
	LastTermAnnotation = "kube-elector.io/last-term"
	// StepDownAnnotation asks the leader to step down, as [Elector.StepDown] does. Its value is the Token of the term that
	// must end. A request with another value is removed by the leader's next renewal. Everybody who may write the Lease
	// may ask:
	//
	//	kubectl annotate lease NAME kube-elector.io/step-down=TOKEN
	//
	// A leader obeys at once, but once per S at most (30 s at the defaults; see Load in the package comment). A request
	// that comes earlier is obeyed when that time is over.
	StepDownAnnotation = "kube-elector.io/step-down"
)

const (
	// MaxAnnotations is how many bytes the keys and values of Config.Annotations may have. They are stored with every
	// renewal and sent to every standby. The API server accepts 256 KiB on an object.
	MaxAnnotations = 16 << 10

	// reservedDomain is that of the annotations that the Elector itself sets.
	reservedDomain = "kube-elector.io"

	// maxAnnotations is how many bytes all annotations of an object may have, by the API server's validation.
	maxAnnotations = 256 << 10
)

// marks are what a write puts on the Lease beside the record. Nothing depends on them but what is told to others, and
// how soon one of them leads after a crash.
type marks struct {
	labels      map[string]string // set beside those that are there
	annotations map[string]string // Config.Annotations
	token       Token             // "" in a claim, which does not know it yet
	container   string            // the ContainerAnnotation, "" for none
	last        *LastTerm
}

// put replaces the marks of the write before by those of a write that names a holder, unless signature is "". What does
// not fit into the annotations of others is left out.
func (m marks) put(object *coordinationv1.Lease, signature string) {
	for k, v := range m.labels {
		metav1.SetMetaDataLabel(&object.ObjectMeta, k, v)
	}
	request := object.Annotations[StepDownAnnotation]
	for _, key := range leaderKeys(object.Annotations) {
		delete(object.Annotations, key)
	}
	for _, key := range []string{WriterAnnotation, LeaderTokenAnnotation, LeaderAnnotationsAnnotation, ContainerAnnotation, LastTermAnnotation, StepDownAnnotation} {
		delete(object.Annotations, key)
	}
	set := func(group map[string]string) {
		all := map[string]string{}
		maps.Copy(all, object.Annotations)
		maps.Copy(all, group)
		if room(all) >= 0 {
			object.Annotations = all
		}
	}
	if signature != "" {
		set(map[string]string{WriterAnnotation: signature})
		set(map[string]string{LeaderTokenAnnotation: string(m.token)})
		if m.container != "" {
			set(map[string]string{ContainerAnnotation: lease.Tied(m.container, lease.Holder(object))})
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
			released.Ended = object.Spec.RenewTime.Time
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

func (c Config) annotationFaults() []error {
	var faults []error
	for _, key := range slices.Sorted(maps.Keys(c.Annotations)) {
		for _, rule := range utilvalidation.IsQualifiedName(strings.ToLower(key)) { // as the API server does
			faults = append(faults, fmt.Errorf("Annotations: key %q: %s", short(key), rule))
		}
		if prefix, _, ok := strings.Cut(key, "/"); ok && (prefix == reservedDomain || strings.HasSuffix(prefix, "."+reservedDomain)) {
			faults = append(faults, fmt.Errorf("Annotations: key %q: the domain %s is reserved", short(key), reservedDomain))
		}
		if !utf8.ValidString(c.Annotations[key]) {
			faults = append(faults, fmt.Errorf("Annotations: value of key %q: %q: must be valid UTF-8", short(key), short(c.Annotations[key])))
		}
	}
	if n := size(c.Annotations); n > MaxAnnotations {
		faults = append(faults, fmt.Errorf("Annotations: %d bytes of keys and values: must be at most %d", n, MaxAnnotations))
	}
	return faults
}
