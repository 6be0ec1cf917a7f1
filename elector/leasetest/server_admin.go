// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"errors"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The methods here act for an administrator, on a connection without faults. They validate nothing, so that tests can
// put rubbish into a Lease, and they count as no client's requests. Watches hear of them like of any write.

var errChanged = errors.New("the Lease has changed meanwhile")

// Get returns a copy of the Lease, nil when there is none.
func (s *Server) Get(namespace, name string) *coordinationv1.Lease {
	return s.read(types.NamespacedName{Namespace: namespace, Name: name}).DeepCopy()
}

// Put stores the Lease under its namespace and name in place of what is there, and returns a copy of what it stored.
// The resourceVersion is the server's next; an empty UID or creationTimestamp is taken from the Lease that was there,
// or made.
//
// Put stores what JSON can express, as a client of the Server does. It panics if a time is outside of the years 0 to
// 9999, as those of RFC 3339 are.
func (s *Server) Put(lease *coordinationv1.Lease) *coordinationv1.Lease {
	next := storable(lease)
	at := types.NamespacedName{Namespace: next.Namespace, Name: next.Name}
	stored, _ := s.write("", at, func(old *coordinationv1.Lease, revision uint64) (*coordinationv1.Lease, error) {
		uid, since := newborn(revision)
		if old != nil {
			uid, since = old.UID, old.CreationTimestamp
		}
		if next.UID == "" {
			next.UID = uid
		}
		if next.CreationTimestamp.IsZero() {
			next.CreationTimestamp = since
		}
		return next, nil
	})
	return stored.DeepCopy()
}

// Edit changes the Lease in place and returns a copy of what it stored, nil when there is no such Lease. change is
// called again with the newer Lease when another write came between. Its changes of namespace, name and resourceVersion
// are ignored; when it changes nothing, nothing is written. It stores as Put does.
func (s *Server) Edit(namespace, name string, change func(*coordinationv1.Lease)) *coordinationv1.Lease {
	at := types.NamespacedName{Namespace: namespace, Name: name}
	for {
		seen := s.read(at)
		if seen == nil {
			return nil
		}
		next := seen.DeepCopy()
		change(next)
		next = storable(next)
		next.Namespace, next.Name, next.ResourceVersion = namespace, name, seen.ResourceVersion
		stored, err := s.write("", at, func(old *coordinationv1.Lease, _ uint64) (*coordinationv1.Lease, error) {
			if old != seen {
				return nil, errChanged
			}
			return unlessSame(old, next), nil
		})
		if err == nil {
			return stored.DeepCopy()
		}
	}
}

// storable returns a copy of the Lease that any API server could hold.
func storable(lease *coordinationv1.Lease) *coordinationv1.Lease {
	stored, err := encoded(lease)
	if err != nil {
		panic("leasetest: " + err.Error())
	}
	return stored
}

// Delete removes the Lease, finalizers or not, and reports whether there was one.
func (s *Server) Delete(namespace, name string) bool {
	at := types.NamespacedName{Namespace: namespace, Name: name}
	existed := false
	_, _ = s.write("", at, func(old *coordinationv1.Lease, _ uint64) (*coordinationv1.Lease, error) {
		existed = old != nil
		return gone, nil
	})
	return existed
}

// Reapply puts the labels, annotations and spec of an old copy in place of what is there, as a backup tool or somebody
// with an old manifest does, and returns a copy of what it stored. It makes the Lease if there is none.
func (s *Server) Reapply(copied *coordinationv1.Lease) *coordinationv1.Lease {
	next := copied.DeepCopy()
	next.ObjectMeta = metav1.ObjectMeta{
		Namespace: next.Namespace, Name: next.Name, Labels: next.Labels, Annotations: next.Annotations,
	}
	return s.Put(next)
}
