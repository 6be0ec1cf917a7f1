// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-elector/elector/elector/leasetest"
)

// always makes every request meet the fault.
func always(fault leasetest.Fault) func(leasetest.Op) leasetest.Fault {
	return func(leasetest.Op) leasetest.Fault { return fault }
}

func TestADelayedWriteLandsAfterItsCallerGaveUp(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.Intercept(always(leasetest.Fault{Delay: 9 * time.Second}))
		if err := b.take("me", 5*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("got %v, want DeadlineExceeded", err)
		}
		b.wantElapsed(5 * time.Second)
		time.Sleep(4*time.Second - 1)
		synctest.Wait()
		b.wantHolder("nobody")
		time.Sleep(1)
		synctest.Wait()
		b.wantHolder("me")
	})
}

func TestADelayedWriteOverTakenByAnotherConflicts(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.Latency(time.Second, 0)
		time.AfterFunc(time.Second/2, func() { b.edit("another") })
		if err := b.take("me", 5*time.Second); !apierrors.IsConflict(err) {
			b.Errorf("got %v, want a conflict", err)
		}
		b.wantHolder("another")
	})
}

func TestADelayedWriteLostWithItsCallerNeverLands(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.Intercept(always(leasetest.Fault{Delay: 9 * time.Second, LostWithCaller: true}))
		if err := b.take("me", 5*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("got %v, want DeadlineExceeded", err)
		}
		time.Sleep(time.Hour)
		b.wantHolder("nobody")
		if err := b.take("me", 10*time.Second); err != nil { // the caller's patience is all that it takes
			b.Error(err)
		}
		b.wantHolder("me")
	})
}

func TestAHangingRequestNeverLands(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.Intercept(always(leasetest.Fault{Hang: true}))
		if err := b.take("me", 5*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("got %v, want DeadlineExceeded", err)
		}
		b.wantElapsed(5 * time.Second)
		time.Sleep(time.Hour)
		b.wantHolder("nobody")
	})
}

func TestALostReplyLeavesTheWriteBehind(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.Intercept(always(leasetest.Fault{LoseReply: true}))
		time.AfterFunc(time.Second, func() { b.wantHolder("me") })
		if err := b.take("me", 5*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("got %v, want DeadlineExceeded", err)
		}
		b.wantElapsed(5 * time.Second)
	})
}

func TestAWriteCanLandLateAndItsReplyBeLost(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.Intercept(always(leasetest.Fault{Delay: 3 * time.Second, LoseReply: true}))
		time.AfterFunc(3*time.Second-1, func() { b.wantHolder("nobody") })
		time.AfterFunc(3*time.Second+1, func() { b.wantHolder("me") })
		if err := b.take("me", 5*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("got %v, want DeadlineExceeded", err)
		}
		b.wantElapsed(5 * time.Second)
	})
}

func TestALateReplyFollowsAWriteInTime(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.Latency(0, 4900*time.Millisecond)
		time.AfterFunc(1, func() { b.wantHolder("me") })
		if err := b.take("me", 5*time.Second); err != nil {
			b.Error(err)
		}
		b.wantElapsed(4900 * time.Millisecond)
		if err := b.take("you", 4*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("got %v, want DeadlineExceeded", err)
		}
		b.wantHolder("you")
	})
}

func TestAnErrorIsGivenInsteadOfTheWrite(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.Latency(time.Second, time.Second)
		b.client.Fail(apierrors.NewTooManyRequests("later", 7), 2)
		for range 2 {
			err := b.take("me", time.Minute)
			if seconds, ok := apierrors.SuggestsClientDelay(err); !ok || seconds != 7 {
				b.Errorf("got %v, want the error with its 7 s", err)
			}
		}
		b.wantElapsed(4 * time.Second)
		b.wantHolder("nobody")
		if err := b.take("me", time.Minute); err != nil {
			b.Errorf("got %v, want two failures only", err)
		}
	})
}

func TestFailingForGoodEndsWithHeal(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.Fail(apierrors.NewServiceUnavailable("down"), -1)
		for range 100 {
			if err := b.take("me", time.Second); !apierrors.IsServiceUnavailable(err) {
				b.Fatalf("got %v, want ServiceUnavailable", err)
			}
		}
		if _, err := b.leases.Watch(b.Context(), metav1.ListOptions{}); !apierrors.IsServiceUnavailable(err) {
			b.Errorf("got %v, want ServiceUnavailable", err)
		}
		b.client.Heal()
		if err := b.take("me", time.Second); err != nil {
			b.Error(err)
		}
	})
}

func TestAPartitionLosesRequestsForGood(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.Partition()
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := b.leases.Update(ctx, b.server.Get("ns", "a"), metav1.UpdateOptions{})
			ended <- err
		}()
		time.Sleep(time.Minute)
		b.client.Heal()
		time.Sleep(time.Hour)
		select {
		case err := <-ended:
			b.Errorf("the lost request came back: %v", err)
		default:
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			b.Errorf("got %v, want Canceled", err)
		}
		if err := b.take("me", time.Second); err != nil {
			b.Errorf("after Heal: %v", err)
		}
	})
}

func TestAPartitionLosesWhatIsUnderWay(t *testing.T) {
	for name, c := range map[string]struct {
		cut    time.Duration
		holder string
	}{
		"the request": {time.Second, "nobody"},
		"the reply":   {3 * time.Second, "me"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b bubble) {
				b.client.Latency(2*time.Second, 2*time.Second)
				time.AfterFunc(c.cut, b.client.Partition)
				if err := b.take("me", 10*time.Second); !errors.Is(err, context.DeadlineExceeded) {
					b.Errorf("got %v, want DeadlineExceeded", err)
				}
				b.wantElapsed(10 * time.Second)
				b.wantHolder(c.holder)
			})
		})
	}
}

func TestDroppedRequestsLeaveWatchesOn(t *testing.T) {
	inBubble(t, func(b bubble) {
		w := b.watch(metav1.ListOptions{})
		b.client.DropRequests()
		if err := b.take("me", time.Second); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("got %v, want DeadlineExceeded", err)
		}
		b.wantHolder("nobody")
		b.edit("another")
		b.says(w, "MODIFIED", "another")
	})
}

func TestDroppedRepliesAreOfWritesThatLanded(t *testing.T) {
	inBubble(t, func(b bubble) {
		w := b.watch(metav1.ListOptions{})
		b.client.DropReplies()
		if err := b.take("me", time.Second); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("got %v, want DeadlineExceeded", err)
		}
		b.wantHolder("me")
		b.silent(w)
		b.client.Heal()
		b.says(w, "MODIFIED", "me")
	})
}

func TestFaultsSpareOtherClients(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.Partition()
		if b.server.Client("replica") != b.client {
			b.Error("one name has two clients")
		}
		other := b.server.Client("other").CoordinationV1().Leases("ns")
		if _, err := other.Get(b.Context(), "a", metav1.GetOptions{}); err != nil {
			b.Error(err)
		}
		b.wantElapsed(0)
	})
}

func TestAnInterceptorSeesEveryRequestAndAddsToOtherFaults(t *testing.T) {
	inBubble(t, func(b bubble) {
		var seen []leasetest.Op
		b.client.Latency(time.Second, 0)
		b.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			seen = append(seen, op)
			if op.Verb == "update" {
				b.edit("another") // an interceptor may write: here it is faster than the request
				return leasetest.Fault{Delay: time.Second}
			}
			return leasetest.Fault{}
		})
		if err := b.take("me", time.Minute); !apierrors.IsConflict(err) {
			b.Errorf("got %v, want a conflict", err)
		}
		b.wantElapsed(2 * time.Second)
		b.watch(metav1.ListOptions{})
		b.wantElapsed(3 * time.Second)
		if len(seen) != 2 || seen[0].Number != 1 || seen[0].Name != "a" || seen[0].Namespace != "ns" ||
			*seen[0].Lease.Spec.HolderIdentity != "me" || seen[1].Number != 2 || seen[1].Verb != "watch" || seen[1].Name != "a" {
			b.Errorf("saw %+v, want an update and a watch of a", seen)
		}
	})
}

func TestWhatAnInterceptorDoesToItsLeaseStaysThere(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			*op.Lease.Spec.HolderIdentity = "spoilt"
			return leasetest.Fault{}
		})
		if err := b.take("me", time.Second); err != nil {
			b.Error(err)
		}
		b.wantHolder("me")
	})
}
