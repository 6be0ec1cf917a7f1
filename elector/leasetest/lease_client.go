// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	applycoordinationv1 "k8s.io/client-go/applyconfigurations/coordination/v1"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
)

var _ coordinationv1client.LeaseInterface = leases{}

// leases is one client's view of one namespace, or of all with "". Leases are copied on the way in and out.
type leases struct {
	client    *Client
	namespace string
}

func (l leases) Get(ctx context.Context, name string, _ metav1.GetOptions) (*coordinationv1.Lease, error) {
	return l.one(ctx, Op{Verb: "get", Name: name}, func(at types.NamespacedName) (*coordinationv1.Lease, error) {
		lease := l.client.server.read(at)
		if lease == nil {
			return nil, apierrors.NewNotFound(resource, name)
		}
		return lease, nil
	})
}

func (l leases) Create(ctx context.Context, lease *coordinationv1.Lease, opts metav1.CreateOptions) (*coordinationv1.Lease, error) {
	in := lease.DeepCopy()
	if in.Name == "" && in.GenerateName != "" {
		in.Name = l.client.server.generateName(in.GenerateName)
	}
	op := Op{Verb: "create", Name: in.Name, Lease: in}
	return l.one(ctx, op, func(at types.NamespacedName) (*coordinationv1.Lease, error) {
		return l.write(at, opts.DryRun, func(old *coordinationv1.Lease, revision uint64) (*coordinationv1.Lease, error) {
			in, err := l.receivedLocked(in)
			if err != nil {
				return nil, err
			}
			return created(in, old, l.namespace, revision)
		})
	})
}

func (l leases) Update(ctx context.Context, lease *coordinationv1.Lease, opts metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	in := lease.DeepCopy()
	op := Op{Verb: "update", Name: in.Name, Lease: in}
	return l.one(ctx, op, func(at types.NamespacedName) (*coordinationv1.Lease, error) {
		stored, err := l.write(at, opts.DryRun, func(old *coordinationv1.Lease, revision uint64) (*coordinationv1.Lease, error) {
			var err error
			if in, err = l.receivedLocked(in); err != nil {
				return nil, err
			}
			server := l.client.server
			next, err := updated(in, old, old != nil && old == server.valid[at], l.namespace, revision)
			if next == in {
				server.valid[at] = in
			}
			return next, err
		})
		if err == nil && stored == nil { // it was deleted with its last finalizer
			stored = in
		}
		return stored, err
	})
}

func (l leases) Patch(
	ctx context.Context, name string, how types.PatchType, patch []byte, opts metav1.PatchOptions, subresources ...string,
) (*coordinationv1.Lease, error) {
	patch = slices.Clone(patch)
	return l.one(ctx, Op{Verb: "patch", Name: name}, func(at types.NamespacedName) (*coordinationv1.Lease, error) {
		if len(subresources) > 0 {
			return nil, notThere("patch", name)
		}
		var last *coordinationv1.Lease
		stored, err := l.write(at, opts.DryRun, func(old *coordinationv1.Lease, _ uint64) (*coordinationv1.Lease, error) {
			last = old
			in, err := patched(old, l.namespace, name, how, patch)
			if err == nil {
				in, err = l.receivedLocked(in)
			}
			if err != nil {
				return nil, err
			}
			return replaced(in, old, false)
		})
		if err == nil && stored == nil { // it was deleted with its last finalizer
			stored = last
		}
		return stored, err
	})
}

// Apply always fails. Leader election does not use field management.
func (l leases) Apply(
	context.Context, *applycoordinationv1.LeaseApplyConfiguration, metav1.ApplyOptions,
) (*coordinationv1.Lease, error) {
	return &coordinationv1.Lease{}, errors.New("leasetest does not serve server-side apply")
}

func (l leases) Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error {
	_, err := l.one(ctx, Op{Verb: "delete", Name: name}, func(at types.NamespacedName) (*coordinationv1.Lease, error) {
		return l.remove(at, opts)
	})
	return err
}

func (l leases) DeleteCollection(ctx context.Context, opts metav1.DeleteOptions, listOpts metav1.ListOptions) error {
	op := Op{Resource: leaseKind, Verb: "deletecollection", Namespace: l.namespace}
	_, err := call(ctx, l.client, op, func() (struct{}, error) {
		want, err := newSelection(leaseKind, l.namespace, listOpts)
		if err != nil {
			return struct{}{}, err
		}
		found, _ := l.client.server.list(want)
		for _, lease := range found {
			at := types.NamespacedName{Namespace: lease.GetNamespace(), Name: lease.GetName()}
			if _, err := l.remove(at, opts); err != nil && !apierrors.IsNotFound(err) {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	return err
}

func (l leases) List(ctx context.Context, opts metav1.ListOptions) (*coordinationv1.LeaseList, error) {
	want, selectErr := newSelection(leaseKind, l.namespace, opts)
	op := Op{Resource: leaseKind, Verb: "list", Namespace: l.namespace, Name: want.name}
	list, err := call(ctx, l.client, op, func() (*coordinationv1.LeaseList, error) {
		if selectErr != nil {
			return nil, selectErr
		}
		if opts.ResourceVersionMatch == metav1.ResourceVersionMatchExact {
			return nil, apierrors.NewBadRequest("leasetest lists the newest state only, not an exact resourceVersion")
		}
		found, revision := l.client.server.list(want)
		list := &coordinationv1.LeaseList{ListMeta: metav1.ListMeta{ResourceVersion: revision}}
		for _, lease := range found {
			list.Items = append(list.Items, *lease.(*coordinationv1.Lease).DeepCopy())
		}
		return list, nil
	})
	if err != nil {
		return &coordinationv1.LeaseList{}, err
	}
	return list, nil
}

func (l leases) Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	want, selectErr := newSelection(leaseKind, l.namespace, opts)
	op := Op{Resource: leaseKind, Verb: "watch", Namespace: l.namespace, Name: want.name}
	return call(ctx, l.client, op, func() (watch.Interface, error) {
		if selectErr != nil {
			return nil, selectErr
		}
		return l.client.watch(ctx, want, opts)
	})
}

// one makes a call about one Lease. As with a real clientset the result of an error is an empty Lease, not nil.
func (l leases) one(
	ctx context.Context, op Op, serve func(at types.NamespacedName) (*coordinationv1.Lease, error),
) (*coordinationv1.Lease, error) {
	if op.Verb != "create" {
		if err := sendable(op.Name); err != nil {
			return &coordinationv1.Lease{}, err
		}
	}
	op.Resource, op.Namespace = leaseKind, l.namespace
	at := types.NamespacedName{Namespace: l.namespace, Name: op.Name}
	got, err := call(ctx, l.client, op, func() (*coordinationv1.Lease, error) {
		if l.namespace == "" {
			return nil, notThere(op.Verb, op.Name)
		}
		lease, err := serve(at)
		return lease.DeepCopy(), err
	})
	if err != nil {
		return &coordinationv1.Lease{}, err
	}
	return got, nil
}

func (l leases) write(
	at types.NamespacedName, dryRun []string,
	decide func(old *coordinationv1.Lease, revision uint64) (*coordinationv1.Lease, error),
) (*coordinationv1.Lease, error) {
	if len(dryRun) > 0 {
		return nil, apierrors.NewBadRequest("leasetest does not serve dry runs")
	}
	return l.client.server.write(l.client.name, at, decide)
}

// receivedLocked returns what admission makes of the Lease of a request, in a form that can be stored.
func (l leases) receivedLocked(in *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	in, err := throughJSON(in)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if err := l.client.server.admitLocked(l.client.name, in); err != nil {
		return nil, err
	}
	if in, err = throughJSON(in); err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	return in, nil
}

func (l leases) remove(at types.NamespacedName, opts metav1.DeleteOptions) (*coordinationv1.Lease, error) {
	return l.write(at, opts.DryRun, func(old *coordinationv1.Lease, _ uint64) (*coordinationv1.Lease, error) {
		return deleted(old, at.Name, opts.Preconditions)
	})
}

// sendable does the check that a real clientset makes before it sends anything.
func sendable(name string) error {
	if name == "" {
		return errors.New("resource name may not be empty")
	}
	if faults := path.IsValidPathSegmentName(name); len(faults) != 0 {
		return fmt.Errorf("invalid resource name %q: %v", name, faults)
	}
	return nil
}

func notThere(verb, name string) error {
	return apierrors.NewGenericServerResponse(http.StatusNotFound, verb, resource, name, "", 0, true)
}
