// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/utils/ptr"
)

// byHand is a Lease that changes hands in the fewest steps possible. One PUT releases it, one watch event reports that,
// and one PUT claims it. No leader election can be faster. Its clientsets are like those of our own subject.
type byHand struct {
	links            [2]*link
	leader, follower coordinationclient.LeaseInterface
	lease            *coordinationv1.Lease
	watch            watch.Interface
}

func newByHand(ctx context.Context, b *bench) (_ *byHand, err error) {
	h := &byHand{links: [2]*link{newLink(), newLink()}}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	for i, side := range []*coordinationclient.LeaseInterface{&h.leader, &h.follower} {
		client, err := oursClientset(h.links[i].config(b.plane.Config), b.timing)
		if err != nil {
			return nil, err
		}
		*side = client.CoordinationV1().Leases(b.namespace)
	}
	h.lease, err = h.leader.Create(ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: b.name("by-hand")},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To("a"), LeaseDurationSeconds: ptr.To[int32](15)},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	h.watch, err = h.follower.Watch(ctx, metav1.ListOptions{
		FieldSelector: "metadata.name=" + h.lease.Name, ResourceVersion: h.lease.ResourceVersion,
	})
	return h, err
}

func (h *byHand) close() {
	if h.watch != nil {
		h.watch.Stop()
	}
	for _, l := range h.links {
		l.close()
	}
}

func (h *byHand) handOver(ctx context.Context) (sample, error) {
	// Both connections are warm, as a candidate's are.
	for _, side := range []coordinationclient.LeaseInterface{h.leader, h.follower} {
		if _, err := side.Get(ctx, h.lease.Name, metav1.GetOptions{}); err != nil {
			return 0, err
		}
	}
	released := make(chan error, 1)
	next := h.lease.DeepCopy()
	next.Spec.HolderIdentity = ptr.To("")
	began := time.Now()
	go func() {
		_, err := h.leader.Update(ctx, next, metav1.UpdateOptions{})
		released <- err
	}()
	lease, err := h.event(ctx)
	if err != nil {
		return 0, errors.Join(err, <-released)
	}
	lease.Spec.HolderIdentity = ptr.To("b")
	h.lease, err = h.follower.Update(ctx, lease, metav1.UpdateOptions{})
	ended := time.Now()
	if err = errors.Join(err, <-released); err != nil {
		return 0, err
	}
	_, err = h.event(ctx) // of the claim
	return took(began, ended), err
}

func (h *byHand) event(ctx context.Context) (*coordinationv1.Lease, error) {
	select {
	case event, open := <-h.watch.ResultChan():
		if lease, ok := event.Object.(*coordinationv1.Lease); open && ok {
			return lease, nil
		}
		return nil, errors.New("by hand: the watch has ended")
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
