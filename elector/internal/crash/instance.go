// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package crash knows when a process is dead by what the kubelet reports about its container. A process ties itself to
// its container by a nonce in the container's termination log (see [Log]), and others compare that with the Pod
// ([Instance.End]).
package crash

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/types"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
)

// An Instance is one run of a container. The zero Instance is none.
type Instance struct {
	Namespace, Pod string
	UID            types.UID // of the Pod
	Container      string    // its name, "" if it is not known
	Nonce          Nonce
}

// A Nonce is the whole text of one run's termination log. It does not print: where an empty termination log is replaced
// by the last lines of the container's output, a nonce among them could be taken for that of a dead process.
type Nonce string

// String implements fmt.Stringer.
func (Nonce) String() string { return "(hidden)" }

// GoString implements fmt.GoStringer.
func (n Nonce) GoString() string { return n.String() }

// MarshalText implements encoding.TextMarshaler.
func (n Nonce) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// nonceLength is that of a Nonce, which is crypto/rand's Text.
const nonceLength = 26

// Name returns namespace and name of the Pod.
func (i Instance) Name() types.NamespacedName {
	return types.NamespacedName{Namespace: i.Namespace, Name: i.Pod}
}

// Encode returns the Instance as one line, which has the Nonce.
func (i Instance) Encode() string {
	text := i.Namespace + "/" + i.Pod + " " + string(i.UID) + " " + string(i.Nonce)
	if i.Container != "" {
		text += " " + i.Container
	}
	return text
}

// Parse returns the Instance of which Encode has made text, and false if there is none.
func Parse(text string) (Instance, bool) {
	const longest = 253 + 63 + 64 + nonceLength + 63 + 4
	parts := strings.Split(text[:min(len(text), longest+1)], " ")
	if len(parts) != 3 && len(parts) != 4 {
		return Instance{}, false
	}
	namespace, pod, _ := strings.Cut(parts[0], "/")
	i := Instance{Namespace: namespace, Pod: pod, UID: types.UID(parts[1]), Nonce: Nonce(parts[2])}
	if len(parts) == 4 {
		i.Container = parts[3]
	}
	return i, i.fault() == "" && i.Encode() == text
}

// fault returns what is wrong with the Instance, "" if nothing is.
func (i Instance) fault() string {
	switch {
	case len(validation.NameIsDNSSubdomain(i.Pod, false)) > 0:
		return "the name of the Pod is not valid"
	case len(validation.ValidateNamespaceName(i.Namespace, false)) > 0:
		return "the namespace of the Pod is not valid"
	case i.UID == "" || len(i.UID) > 64 || strings.ContainsAny(string(i.UID), " /"):
		return "the UID of the Pod is not valid"
	case len(i.Nonce) != nonceLength || strings.Contains(string(i.Nonce), " "):
		return "the nonce is not valid"
	case i.Container != "" && len(utilvalidation.IsDNS1123Label(i.Container)) > 0:
		return "the name of the container is not valid"
	}
	return ""
}
