// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
)

// leaseClient makes every request about the Lease but the watcher's, each bounded
// in time, and shows every reply to the view.
type leaseClient struct {
	client          coordinationclient.LeaseInterface
	name, namespace string
	self            author
	attempt         time.Duration // bounds one request
	late            error         // the cause of that end
	view            *view
	requests        *requests
	sighted         func() // called after news
	watcher         *watcher
	// heard is called with every answer, or with the error that stands for it.
	heard  func(what failure, err error)
	logger logr.Logger // client-go's
	usage  *usage
}

func newLeaseClient(e *Elector, clientset kubernetes.Interface) *leaseClient {
	attempt := e.config.attemptTimeout()
	return &leaseClient{
		client:    clientset.CoordinationV1().Leases(e.config.LeaseNamespace),
		name:      e.config.LeaseName,
		namespace: e.config.LeaseNamespace,
		self:      e.self,
		attempt:   attempt,
		late:      lateError(attempt),
		view:      e.view,
		requests:  newRequests(e.config),
		sighted:   e.sighted,
		heard:     e.heard,
		logger:    e.clientLogger,
		usage:     &e.usage,
	}
}

// attemptTimeout leaves room for a second attempt within RenewDeadline, so that one dead connection
// does not cost the leadership. It is client-go's own rule.
func (c Config) attemptTimeout() time.Duration { return c.RenewDeadline / 2 }

// read reads the Lease from the API server. It returns no error if there is none.
// news tells whether it said something that had not been seen yet.
func (l *leaseClient) read(ctx context.Context) (news bool, err error) {
	ctx, call, cancel := l.bound(ctx)
	defer cancel()
	mark := l.view.mark()
	get := func(ctx context.Context) (*coordinationv1.Lease, error) {
		return l.client.Get(ctx, l.name, metav1.GetOptions{})
	}
	lease, err := ask(ctx, l.requests, "get", get, l.lateReply)
	if apierrors.IsNotFound(err) {
		lease, err = nil, nil
	}
	l.heard(cannotRead, err)
	if err != nil {
		return false, fmt.Errorf("read the Lease: %w", call.failure(ctx, err))
	}
	if news = l.view.sawRead(lease, mark); news {
		l.sighted()
	}
	return news, nil
}

// write stores the record in place of base, or in a new Lease if base is nil. It is a
// compare-and-swap, and fails if the Lease is no longer as base says. sent is when the request was
// sent.
func (l *leaseClient) write(ctx context.Context, base *coordinationv1.Lease, r resourcelock.LeaderElectionRecord, m marks) (lease *coordinationv1.Lease, sent moment, err error) {
	ctx, call, cancel := l.bound(ctx)
	defer cancel()
	next := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: l.name, Namespace: l.namespace}}
	if base != nil {
		next = base.DeepCopy()
	}
	sent = now()
	// Not with client-go's renewTime. It may be that of an attempt before, whose reply was lost.
	// Written again it would change nothing, and the others would count from that attempt.
	l.self.inscribe(next, r, l.view.writing(base, sent), m)
	what, store := "update", func(ctx context.Context) (*coordinationv1.Lease, error) {
		return l.client.Update(ctx, next, metav1.UpdateOptions{})
	}
	if base == nil {
		what, store = "create", func(ctx context.Context) (*coordinationv1.Lease, error) {
			return l.client.Create(ctx, next, metav1.CreateOptions{})
		}
	}
	lease, err = ask(ctx, l.requests, what, store, l.lateReply)
	l.heard("", err)
	if err != nil {
		return nil, sent, call.failure(ctx, err)
	}
	l.lateReply(lease, true)
	return lease, sent, nil
}

// lateReply shows the view the reply to a request, which may have been given up.
// It never begins or extends a term.
func (l *leaseClient) lateReply(lease *coordinationv1.Lease, wanted bool) {
	if wanted && l.view.saw(lease, lease.ResourceVersion) {
		l.sighted()
	}
}

// lateError is after how long a request was given up.
type lateError time.Duration

func (e lateError) Error() string {
	return fmt.Sprintf("no answer from the API server within %v", time.Duration(e).Round(time.Millisecond))
}

// bound returns a context for one request. It has as much time as a request may take, and the watch's
// connection is avoided if it may be dead.
func (l *leaseClient) bound(ctx context.Context) (context.Context, *call, context.CancelFunc) {
	call := &call{apart: l.watcher.silent()}
	ctx = l.usage.in(klog.NewContext(call.in(ctx), l.logger))
	ctx, cancel := context.WithTimeoutCause(ctx, l.attempt, l.late)
	return ctx, call, cancel
}
