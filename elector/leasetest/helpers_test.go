// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/watch"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"

	"github.com/kube-elector/elector/elector/leasetest"
)

// bubble is a server in virtual time, with one client and one Lease, "a", held by "nobody".
type bubble struct {
	*testing.T
	server *leasetest.Server
	client *leasetest.Client
	leases coordinationv1client.LeaseInterface
	start  time.Time
}

func inBubble(t *testing.T, test func(b bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := leasetest.NewServer()
		server.Put(held("nobody"))
		client := server.Client("replica")
		test(bubble{t, server, client, client.CoordinationV1().Leases("ns"), time.Now()})
	})
}

func held(holder string) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder},
	}
}

// take makes a request that takes the Lease for the holder, within the time.
func (b bubble) take(holder string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(b.Context(), within)
	defer cancel()
	return b.takeUntil(ctx, holder)
}

func (b bubble) takeUntil(ctx context.Context, holder string) error {
	lease := b.server.Get("ns", "a")
	lease.Spec.HolderIdentity = &holder
	_, err := b.leases.Update(ctx, lease, metav1.UpdateOptions{})
	return err
}

func (b bubble) holder() string { return *b.server.Get("ns", "a").Spec.HolderIdentity }

func (b bubble) wantHolder(want string) {
	b.Helper()
	if got := b.holder(); got != want {
		b.Errorf("after %v the Lease is held by %q, want %q", time.Since(b.start), got, want)
	}
}

func (b bubble) wantElapsed(want time.Duration) {
	b.Helper()
	if got := time.Since(b.start); got != want {
		b.Errorf("%v have passed, want %v", got, want)
	}
}

// edit changes the Lease as an administrator does.
func (b bubble) edit(holder string) {
	b.server.Edit("ns", "a", func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = &holder })
}

// watch watches the Lease from now on, until the test ends.
func (b bubble) watch(opts metav1.ListOptions) watch.Interface {
	b.Helper()
	opts.FieldSelector = "metadata.name=a"
	if opts.ResourceVersion == "" {
		opts.ResourceVersion = b.server.Get("ns", "a").ResourceVersion
	}
	w, err := b.leases.Watch(b.Context(), opts)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(w.Stop)
	return w
}

// silent checks that the watch is open and delivers nothing.
func (b bubble) silent(w watch.Interface) {
	b.Helper()
	synctest.Wait()
	select {
	case event, open := <-w.ResultChan():
		b.Errorf("after %v got %+v (open: %v), want silence", time.Since(b.start), event, open)
	default:
	}
}

// says checks the next event, which must be there without waiting.
func (b bubble) says(w watch.Interface, kind watch.EventType, holder string) {
	b.Helper()
	synctest.Wait()
	select {
	case event := <-w.ResultChan():
		lease, ok := event.Object.(*coordinationv1.Lease)
		if !ok || event.Type != kind || *lease.Spec.HolderIdentity != holder {
			b.Fatalf("after %v got %+v, want %s of holder %q", time.Since(b.start), event, kind, holder)
		}
	default:
		b.Fatalf("after %v there is no event, want %s of holder %q", time.Since(b.start), kind, holder)
	}
}

// closed checks that the watch has ended without another event.
func (b bubble) closed(w watch.Interface) {
	b.Helper()
	synctest.Wait()
	select {
	case event, open := <-w.ResultChan():
		if open {
			b.Errorf("after %v got %+v, want the watch closed", time.Since(b.start), event)
		}
	default:
		b.Errorf("after %v the watch is open, want it closed", time.Since(b.start))
	}
}

// later reports whether the second Lease was written after the first.
func later(first, second *coordinationv1.Lease) bool {
	order, err := resourceversion.CompareResourceVersion(first.ResourceVersion, second.ResourceVersion)
	return err == nil && order < 0
}
