// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/internal/wait"
)

// client makes all requests about the set but the watcher's, each bounded in time, and shows every reply to the view.
type client struct {
	leases coordinationclient.LeaseInterface
	config elector.Config
	names  names
	n      int
	view   *view
	asker  *lease.Asker
}

func newClient(config elector.Config, n int, clientset kubernetes.Interface, v *view) *client {
	c := &client{config: config, names: names{config.LeaseName}, n: n, view: v, asker: lease.NewAsker(attempt(config), config.RenewDeadline)}
	if clientset != nil {
		c.leases = clientset.CoordinationV1().Leases(config.LeaseNamespace)
	}
	return c
}

// attempt returns the bound of one request, with room for a second within RenewDeadline.
func attempt(config elector.Config) time.Duration { return config.RenewDeadline / 2 }

// claim writes that a shard is the session's. It replaces exactly what the decision was made on, base: the newest
// version may be another replica's claim.
func (c *client) claim(ctx context.Context, shard int, base *coordinationv1.Lease, by session) (*coordinationv1.Lease, error) {
	next := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
		Name: c.names.shard(shard), Namespace: c.config.LeaseNamespace,
	}}
	var transitions int32
	if base != nil {
		next = base.DeepCopy()
		if before := base.Spec.LeaseTransitions; before != nil {
			transitions = max(*before, 0) + 1
		}
	}
	c.label(next)
	next.Spec.HolderIdentity = ptr.To(c.config.Identity)
	next.Spec.LeaseDurationSeconds = ptr.To(int32(c.config.LeaseDuration / time.Second)) //nolint:gosec // at most MaxLeaseDuration
	next.Spec.AcquireTime = &metav1.MicroTime{Time: time.Now().Truncate(time.Microsecond)}
	next.Spec.RenewTime = &metav1.MicroTime{Time: time.UnixMicro(by.acquired)}
	next.Spec.LeaseTransitions = ptr.To(max(transitions, 0)) // also after the largest number
	return c.write(ctx, base == nil, next)
}

// release writes that nobody has the shard, in place of exactly what was seen.
func (c *client) release(ctx context.Context, seen *coordinationv1.Lease) error {
	next := seen.DeepCopy()
	c.label(next)
	next.Spec = coordinationv1.LeaseSpec{HolderIdentity: ptr.To(""), LeaseTransitions: seen.Spec.LeaseTransitions}
	_, err := c.write(ctx, false, next)
	return err
}

// relabel puts the set's labels back on a Lease.
func (c *client) relabel(ctx context.Context, seen *coordinationv1.Lease) error {
	next := seen.DeepCopy()
	c.label(next)
	_, err := c.write(ctx, false, next)
	return err
}

// annotate puts an annotation on the session's Lease. The Elector, which renews it, keeps it.
func (c *client) annotate(ctx context.Context, by session, key string, value int64) error {
	for pause := time.Duration(0); ; pause = min(max(2*pause, firstBackoff), c.config.RetryPeriod) {
		wait.Sleep(ctx, jitter(pause))
		seen := c.view.replica(by)
		if seen == nil {
			return errors.New("the session's Lease is not there any more")
		}
		next := seen.DeepCopy()
		metav1.SetMetaDataAnnotation(&next.ObjectMeta, key, strconv.FormatInt(value, 10))
		_, err := c.write(ctx, false, next)
		if !apierrors.IsConflict(err) {
			return err
		}
		if _, err := c.read(ctx, by.lease); err != nil {
			return err
		}
	}
}

func (c *client) label(next *coordinationv1.Lease) {
	for k, v := range c.names.labels(c.n, c.config.Labels) {
		metav1.SetMetaDataLabel(&next.ObjectMeta, k, v)
	}
}

func (c *client) write(parent context.Context, create bool, next *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	// What is there may be what the API server refuses to store again.
	if n := next.Spec.LeaseTransitions; n != nil {
		next.Spec.LeaseTransitions = ptr.To(max(*n, 0))
	}
	if n := next.Spec.LeaseDurationSeconds; n != nil && *n <= 0 {
		next.Spec.LeaseDurationSeconds = nil
	}
	what, store := "update", func(ctx context.Context) (*coordinationv1.Lease, error) {
		return c.leases.Update(ctx, next, metav1.UpdateOptions{})
	}
	if create {
		what, store = "create", func(ctx context.Context) (*coordinationv1.Lease, error) {
			return c.leases.Create(ctx, next, metav1.CreateOptions{})
		}
	}
	stored, err := lease.Ask(parent, c.asker, what, store)
	if err != nil {
		return nil, err
	}
	c.view.saw(stored.Name, stored, stored.ResourceVersion)
	return stored, nil
}

// read reads one Lease, whatever its labels. It returns nil if there is none.
func (c *client) read(parent context.Context, name string) (*coordinationv1.Lease, error) {
	before := c.view.known(name)
	found, err := lease.Ask(parent, c.asker, "get", func(ctx context.Context) (*coordinationv1.Lease, error) {
		return c.leases.Get(ctx, name, metav1.GetOptions{})
	})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil //nolint:nilnil // a missing Lease is not an error
	case err != nil:
		return nil, err
	}
	c.view.sawRead(found, before)
	return found, nil
}

// confirm reads the Lease of a session that seems to have lapsed. If it has, the session's Lease is blanked after a
// while, unless another replica was faster: those that come later could not know since when it has not changed.
func (c *client) confirm(ctx context.Context, s session, after time.Duration) error {
	found, err := c.read(ctx, s.lease)
	if err == nil && found == nil {
		err = c.bury(ctx, s)
	}
	if err != nil {
		return err
	}
	seen := c.view.confirmed(s)
	if seen == nil {
		return nil
	}
	wait.Sleep(ctx, after)
	if now := c.view.replica(s); now == nil || now.ResourceVersion != seen.ResourceVersion || ctx.Err() != nil {
		return nil // another replica was faster
	}
	if err := c.end(ctx, seen, false); err != nil && !lostRace(err) {
		return err
	}
	return nil
}

// end writes that nobody has a session, in place of exactly what was seen.
func (c *client) end(ctx context.Context, seen *coordinationv1.Lease, crashed bool) error {
	next := seen.DeepCopy()
	next.Spec = blank()
	next.Spec.LeaseTransitions = seen.Spec.LeaseTransitions
	if crashed {
		metav1.SetMetaDataAnnotation(&next.ObjectMeta, CrashedAnnotation, strconv.FormatInt(micros(seen.Spec.AcquireTime), 10))
	}
	_, err := c.write(ctx, false, next)
	return err
}

// blank returns the record of a session as its holder releases it.
func blank() coordinationv1.LeaseSpec {
	at := &metav1.MicroTime{Time: time.Now().Truncate(time.Microsecond)}
	return coordinationv1.LeaseSpec{HolderIdentity: ptr.To(""), LeaseDurationSeconds: ptr.To[int32](1), AcquireTime: at, RenewTime: at}
}

// bury makes a blank Lease for a session whose Lease is said to be missing. That proves it: replies can be wrong, and a
// claim of a shard would not find out.
func (c *client) bury(ctx context.Context, s session) error {
	next := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: s.lease, Namespace: c.config.LeaseNamespace}, Spec: blank()}
	c.label(next)
	_, err := c.write(ctx, true, next)
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	if found, readErr := c.read(ctx, s.lease); readErr != nil || found != nil {
		return readErr // another replica was faster, or the first read was wrong
	}
	return fmt.Errorf("a read says that there is no Lease: %w", err)
}

// remove deletes a Lease if it still is as it was seen.
func (c *client) remove(parent context.Context, seen *coordinationv1.Lease) error {
	_, err := lease.Ask(parent, c.asker, "delete", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.leases.Delete(ctx, seen.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{
			UID: &seen.UID, ResourceVersion: &seen.ResourceVersion,
		}})
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // somebody else was faster
	}
	return err
}

// lostRace reports whether another replica was faster.
func lostRace(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }
