// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kube-elector/elector/elector/leasetest"
)

func TestALostRequestThatIgnoresItsContextLastsUntilHeal(t *testing.T) {
	for name, lose := range map[string]func(*leasetest.Client){
		"the request": (*leasetest.Client).DropRequests,
		"the reply":   (*leasetest.Client).DropReplies,
		"on its way": func(c *leasetest.Client) {
			c.Latency(time.Second, 0)
			time.AfterFunc(time.Second/2, c.DropRequests)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b bubble) {
				b.client.IgnoreContexts()
				lose(b.client)
				time.AfterFunc(time.Hour, b.client.Heal)
				if err := b.take("me", 5*time.Second); !errors.Is(err, context.DeadlineExceeded) {
					b.Errorf("got %v, want DeadlineExceeded", err)
				}
				b.wantElapsed(time.Hour)
				if err := b.take("you", 5*time.Second); err != nil {
					b.Errorf("after Heal: %v", err)
				}
			})
		})
	}
}

func TestARequestThatIgnoresItsContextSucceedsLate(t *testing.T) {
	for name, fault := range map[string]leasetest.Fault{
		"its way":   {Delay: time.Minute, IgnoreContext: true},
		"its reply": {ReplyDelay: time.Minute, IgnoreContext: true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b bubble) {
				b.client.Intercept(always(fault))
				if err := b.take("me", 5*time.Second); err != nil {
					b.Error(err)
				}
				b.wantElapsed(time.Minute)
				b.wantHolder("me")
			})
		})
	}
}

func TestARequestThatHangsBeforeItIsSentFailsIfItsContextHasEnded(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.Intercept(always(leasetest.Fault{Delay: time.Minute, LostWithCaller: true, IgnoreContext: true}))
		if err := b.take("me", 5*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("got %v, want DeadlineExceeded", err)
		}
		b.wantElapsed(time.Minute)
		b.wantHolder("nobody")
		if err := b.take("me", time.Hour); err != nil {
			b.Error(err)
		}
		b.wantHolder("me")
	})
}

func TestHealFreesOnlyRequestsThatIgnoreTheirContexts(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.client.DropRequests()
		time.AfterFunc(time.Second, b.client.Heal)
		if err := b.take("me", 5*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("got %v, want DeadlineExceeded", err)
		}
		b.wantElapsed(5 * time.Second)
		b.client.IgnoreContexts()
		b.client.DropRequests()
		patient, cancel := context.WithCancel(b.Context())
		ended := false
		go func() {
			_ = b.takeUntil(patient, "me")
			ended = true
		}()
		time.Sleep(time.Second)
		b.client.Heal()
		synctest.Wait()
		if ended {
			b.Error("a lost request came back before its context had ended")
		}
		cancel()
		synctest.Wait()
		if !ended {
			b.Error("the request goes on after Heal and the end of its context")
		}
	})
}
