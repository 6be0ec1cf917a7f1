// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/leasetest"
)

func TestAnUpdateIsValidatedWhateverWasStoredBefore(t *testing.T) {
	inBubble(t, func(b bubble) {
		leases := b.client.CoordinationV1().Leases("ns")
		update := func(change func(*coordinationv1.Lease)) error {
			lease := b.server.Get("ns", "a")
			change(lease)
			_, err := leases.Update(b.Context(), lease, metav1.UpdateOptions{})
			return err
		}
		renew := func(l *coordinationv1.Lease) { l.Spec.RenewTime = &metav1.MicroTime{Time: time.Now()} }
		label := func(l *coordinationv1.Lease) { l.Labels = map[string]string{"a b": "c"} }
		if err := update(renew); err != nil {
			b.Error(err)
		}
		if err := update(label); !apierrors.IsInvalid(err) {
			b.Errorf("a label that is none, after a valid update: got %v, want Invalid", err)
		}
		b.server.Edit("ns", "a", label)
		time.Sleep(time.Second)
		if err := update(renew); !apierrors.IsInvalid(err) {
			b.Errorf("a renewal of what the administrator has spoilt: got %v, want Invalid", err)
		}
	})
}

func TestTheAdministratorMayStoreRubbish(t *testing.T) {
	inBubble(t, func(b bubble) {
		before := b.server.Get("ns", "a")
		after := b.server.Edit("ns", "a", func(l *coordinationv1.Lease) {
			l.Name, l.ResourceVersion, l.Labels = "ignored", "ignored", map[string]string{"a b": "c"}
			l.Spec = coordinationv1.LeaseSpec{
				HolderIdentity: ptr.To(strings.Repeat("x", 1<<20)), LeaseDurationSeconds: ptr.To(int32(-5)),
				RenewTime: &metav1.MicroTime{Time: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)},
			}
		})
		if after.Name != "a" || after.UID != before.UID || !later(before, after) {
			b.Errorf("edited %+v to %+v, want the same Lease at a later version", before.ObjectMeta, after.ObjectMeta)
		}
		got, err := b.leases.Get(b.Context(), "a", metav1.GetOptions{})
		if err != nil || *got.Spec.LeaseDurationSeconds != -5 || len(*got.Spec.HolderIdentity) != 1<<20 {
			b.Errorf("clients read %v, %v, want the rubbish", got, err)
		}
	})
}

func TestAnEditThatChangesNothingWritesNothing(t *testing.T) {
	inBubble(t, func(b bubble) {
		before := b.server.Get("ns", "a").ResourceVersion
		if after := b.server.Edit("ns", "a", func(*coordinationv1.Lease) {}); after.ResourceVersion != before {
			b.Errorf("the version went from %s to %s, want it kept", before, after.ResourceVersion)
		}
		if got := b.server.Edit("ns", "missing", func(*coordinationv1.Lease) {}); got != nil {
			b.Errorf("edited a Lease that is not there: %+v", got)
		}
	})
}

func TestAnEditDoesNotOverwriteAnother(t *testing.T) {
	inBubble(t, func(b bubble) {
		calls := 0
		got := b.server.Edit("ns", "a", func(l *coordinationv1.Lease) {
			if calls++; calls == 1 {
				b.edit("me") // another write comes between
			}
			l.Labels = map[string]string{"edited": "yes"}
		})
		if calls != 2 || got.Labels["edited"] != "yes" {
			b.Errorf("got %+v after %d calls, want it edited at the second", got, calls)
		}
		b.wantHolder("me")
	})
}

func TestPutAndDeleteGoOnCounting(t *testing.T) {
	inBubble(t, func(b bubble) {
		first := b.server.Get("ns", "a")
		second := b.server.Put(held("me"))
		if second.UID != first.UID || !later(first, second) {
			b.Errorf("put %+v over %+v, want its UID at a later version", second.ObjectMeta, first.ObjectMeta)
		}
		if !b.server.Delete("ns", "a") || b.server.Delete("ns", "a") || b.server.Get("ns", "a") != nil {
			b.Error("want the Lease deleted once")
		}
		third := b.server.Put(held("me"))
		if third.UID == first.UID || !later(second, third) {
			b.Errorf("put %+v after %+v, want another UID and a later version", third.ObjectMeta, second.ObjectMeta)
		}
		own := held("me")
		own.UID = "its own"
		if got := b.server.Put(own); got.UID != "its own" {
			b.Errorf("put with UID %q, want its own", got.UID)
		}
		b.server.Get("ns", "a").Spec.HolderIdentity = nil
		b.wantHolder("me") // what Get returns is a copy
	})
}

func TestObserversHearOfWritesInOrderBeforeTheReply(t *testing.T) {
	inBubble(t, func(b bubble) {
		var mu sync.Mutex
		var history []leasetest.Write
		b.server.OnWrite(func(w leasetest.Write) {
			mu.Lock()
			defer mu.Unlock()
			history = append(history, w)
		})
		var all sync.WaitGroup
		for _, name := range []string{"one", "two", "three"} {
			all.Go(func() {
				leases := b.server.Client(name).CoordinationV1().Leases("ns")
				for i := range 200 {
					lease, err := leases.Create(b.Context(), &coordinationv1.Lease{
						ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(name, i)},
					}, metav1.CreateOptions{})
					if err != nil {
						b.Error(err)
						return
					}
					mu.Lock()
					heard := false
					for _, w := range history {
						heard = heard || w.ResourceVersion == lease.ResourceVersion && w.Client == name && w.New.Name == lease.Name
					}
					mu.Unlock()
					if !heard {
						b.Errorf("the reply to the write of %s came before the observer's call", lease.Name)
					}
				}
			})
		}
		all.Wait()
		b.server.Delete("ns", "a")
		if len(history) != 601 {
			b.Fatalf("heard of %d writes, want 601", len(history))
		}
		for i, w := range history {
			if want := fmt.Sprint(3 + i); w.ResourceVersion != want {
				b.Fatalf("write %d has version %s, want %s", i, w.ResourceVersion, want)
			}
		}
		if last := history[600]; last.Client != "" || last.New != nil || last.Old.Name != "a" {
			b.Errorf("last heard of %+v, want the administrator's deletion of a", last)
		}
	})
}

func TestRequestsAreCountedWhenSent(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.DropRequests()
		_ = b.take("me", time.Second)
		b.client.Heal()
		_ = b.take("me", time.Second)
		b.watch(metav1.ListOptions{})
		if _, err := b.leases.Get(b.Context(), "", metav1.GetOptions{}); err == nil { // never sent
			b.Error("got a Lease without a name")
		}
		for verb, want := range map[string]int{"update": 2, "watch": 1, "get": 0, "": 3} {
			if got := b.server.Requests("replica", verb); got != want {
				b.Errorf("%d requests of verb %q, want %d", got, verb, want)
			}
		}
		if got := b.server.Requests("stranger", ""); got != 0 {
			b.Errorf("%d requests of a client that is not there", got)
		}
		b.server.ResetRequests()
		if got := b.server.Requests("replica", ""); got != 0 {
			b.Errorf("%d requests after the reset, want 0", got)
		}
	})
}

func TestWhatIsNotServedSaysSo(t *testing.T) {
	inBubble(t, func(b bubble) {
		_, services := b.client.CoreV1().Services("ns").List(b.Context(), metav1.ListOptions{})
		deleting := b.client.CoreV1().Pods("ns").Delete(b.Context(), "a", metav1.DeleteOptions{})
		_, version := b.client.Discovery().ServerVersion()
		raw := b.client.CoordinationV1().RESTClient().Get().Do(b.Context()).Error()
		_, apply := b.leases.Apply(b.Context(), nil, metav1.ApplyOptions{})
		_, dry := b.leases.Create(b.Context(), held("me"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		_, past := b.leases.List(b.Context(), metav1.ListOptions{
			ResourceVersion: "1", ResourceVersionMatch: metav1.ResourceVersionMatchExact,
		})
		for i, err := range []error{services, deleting, version, raw, apply, dry, past} {
			if err == nil || !strings.Contains(err.Error(), "leasetest") {
				b.Errorf("call %d got %v, want an error that names leasetest", i, err)
			}
		}
		if _, err := b.client.CoordinationV1().Leases("").Get(b.Context(), "a", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			b.Errorf("without a namespace got %v, want NotFound", err)
		}
	})
}

// An informer relies on more of the watch protocol than an elector. It needs the state first, resuming, and starting
// again.
func TestAnInformerFollowsThroughCutAndExpiredWatches(t *testing.T) {
	inBubble(t, func(b bubble) {
		stop := make(chan struct{})
		factory := informers.NewSharedInformerFactory(b.client, 0)
		informer := factory.Coordination().V1().Leases().Informer()
		factory.Start(stop)
		defer factory.Shutdown()
		defer close(stop)
		if !cache.WaitForCacheSync(stop, informer.HasSynced) {
			b.Fatal("the informer does not sync")
		}
		for i, disturb := range []func(){
			func() {}, func() { b.client.CutWatches() }, func() { b.client.ExpireWatches() }, func() { b.server.Compact(); b.client.CutWatches() },
		} {
			disturb()
			b.edit(fmt.Sprint("holder ", i))
			time.Sleep(time.Minute) // the reflector backs off
			synctest.Wait()
			got, found, err := informer.GetStore().GetByKey("ns/a")
			if err != nil || !found || *got.(*coordinationv1.Lease).Spec.HolderIdentity != fmt.Sprint("holder ", i) {
				b.Errorf("disturbance %d: the informer has %+v (%v), want holder %d", i, got, err, i)
			}
		}
		if n := b.client.Watches(); n != 1 {
			b.Errorf("%d watches are open, want the informer's one", n)
		}
	})
}
