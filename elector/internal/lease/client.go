// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"context"
	"fmt"
	"slices"
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

// A Client makes every request about the Lease but the watcher's, each bounded in time, and shows every reply to the
// view. It may be used concurrently.
type Client struct {
	// View and Watcher are of the same Lease.
	View    *View
	Watcher *Watcher

	*Asker

	leases          coordinationclient.LeaseInterface
	name, namespace string
	self            Author
	sighted         func()
	heard           func(kind Kind, err error)
	logger          logr.Logger
	usage           *Usage
}

// NewClient returns a client for the Lease that config names.
func NewClient(clientset kubernetes.Interface, config Config) *Client {
	c := &Client{
		View:      newView(config),
		Asker:     NewAsker(config.Attempt, config.RenewDeadline),
		leases:    clientset.CoordinationV1().Leases(config.Namespace),
		name:      config.Name,
		namespace: config.Namespace,
		self:      config.Self,
		sighted:   config.Sighted,
		heard:     config.Heard,
		logger:    config.Logger,
		usage:     config.Usage,
	}
	c.Watcher = newWatcher(c, config)
	return c
}

// Impersonate makes c the client of a clone of other's process: it signs as other does, and knows the writes that other
// knows. From then on they differ. It is for tests, and must be called before c sends anything.
func (c *Client) Impersonate(other *Client) {
	other.View.mu.Lock()
	defer other.View.mu.Unlock()
	c.View.mu.Lock()
	defer c.View.mu.Unlock()
	c.self, c.View.self, c.View.writes = other.self, other.self, slices.Clone(other.View.writes)
}

// Read reads the Lease from the API server. It returns no error if there is none. news tells whether it said something
// that had not been seen yet.
func (c *Client) Read(ctx context.Context) (news bool, err error) {
	ctx, call, cancel := c.bound(ctx)
	defer cancel()
	mark := c.View.mark()
	get := func(ctx context.Context) (*coordinationv1.Lease, error) {
		return c.leases.Get(ctx, c.name, metav1.GetOptions{})
	}
	lease, err := ask(ctx, c.requests, "get", get, c.lateReply)
	if apierrors.IsNotFound(err) {
		lease, err = nil, nil
	}
	c.heard(Read, err)
	if err != nil {
		return false, fmt.Errorf("read the Lease: %w", call.failure(ctx, err))
	}
	if news = c.View.sawRead(lease, mark); news {
		c.sighted()
	}
	return news, nil
}

// Write stores the record in place of base, or in a new Lease if base is nil. It is a compare-and-swap, and fails if
// the Lease is no longer as base says. sent is when the request was sent. mark puts beside the record what it likes,
// with the write's signature or, if the record names no holder, with "".
func (c *Client) Write(ctx context.Context, base *coordinationv1.Lease, r resourcelock.LeaderElectionRecord,
	mark func(lease *coordinationv1.Lease, signature string)) (lease *coordinationv1.Lease, sent Moment, err error) {
	ctx, call, cancel := c.bound(ctx)
	defer cancel()
	next := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: c.name, Namespace: c.namespace}}
	if base != nil {
		next = base.DeepCopy()
	}
	sent = Now()
	// Not with client-go's renewTime. It may be that of an attempt before, whose reply was lost. Written again it would
	// change nothing, and the others would count from that attempt.
	w := c.View.writing(base, r.AcquireTime.Time, sent)
	mark(next, c.self.inscribe(next, r, w))
	what, store := "update", func(ctx context.Context) (*coordinationv1.Lease, error) {
		return c.leases.Update(ctx, next, metav1.UpdateOptions{})
	}
	if base == nil {
		what, store = "create", func(ctx context.Context) (*coordinationv1.Lease, error) {
			return c.leases.Create(ctx, next, metav1.CreateOptions{})
		}
	}
	lease, err = ask(ctx, c.requests, what, store, c.lateReply)
	c.heard(Write, err)
	if err != nil {
		c.View.failed(w, err)
		return nil, sent, call.failure(ctx, err)
	}
	c.lateReply(lease, true)
	return lease, sent, nil
}

// lateReply shows the view the reply to a request, which may have been given up. It never begins or extends a term.
func (c *Client) lateReply(lease *coordinationv1.Lease, wanted bool) {
	if wanted && c.View.Saw(lease, lease.ResourceVersion) {
		c.sighted()
	}
}

// A LateError says after how long a request was given up.
type LateError time.Duration

func (e LateError) Error() string {
	return fmt.Sprintf("no answer from the API server within %v", time.Duration(e).Round(time.Millisecond))
}

// bound returns a context for one request. It has as much time as a request may take, and the watch's connection is
// avoided if it may be dead.
func (c *Client) bound(ctx context.Context) (context.Context, *call, context.CancelFunc) {
	call := &call{apart: c.Watcher.silent()}
	ctx = c.usage.In(klog.NewContext(call.in(ctx), c.logger))
	ctx, cancel := context.WithTimeoutCause(ctx, c.attempt, c.late)
	return ctx, call, cancel
}
