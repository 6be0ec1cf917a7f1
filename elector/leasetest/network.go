// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"context"
	"time"
)

// network is what Heal resets.
type network struct {
	intercept     func(Op) Fault
	delay         time.Duration
	replyDelay    time.Duration
	loseRequests  bool
	loseReplies   bool
	ignoreContext bool
	err           error
	errCount      int // requests that err is still for; negative: all
	delayWatching time.Duration
}

type answer[T any] struct {
	value T
	err   error
}

// call carries one request over the client's network and back. serve does the server's part. If the request lands late,
// serve runs after call has returned. The error is the context's own once the context has ended.
func call[T any](ctx context.Context, c *Client, op Op, serve func() (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	fault, healed := c.begin(&op)
	caller := ctx // its end is what the call's error says; ctx is what ends the call
	if fault.IgnoreContext {
		ctx = context.WithoutCancel(ctx)
	} else {
		healed = nil
	}
	if fault.Hang {
		return none, hang(caller, healed)
	}
	got, arrived := send(ctx, c, fault, func() answer[T] {
		if fault.IgnoreContext && fault.LostWithCaller && caller.Err() != nil {
			return answer[T]{none, caller.Err()}
		}
		if fault.Err != nil {
			return answer[T]{none, fault.Err}
		}
		value, err := serve()
		return answer[T]{value, err}
	})
	if !arrived || !sleep(ctx, fault.ReplyDelay) || fault.LoseReply || c.losesReplies() {
		return none, hang(caller, healed)
	}
	return got.value, got.err
}

// send calls serve after the fault's delay. It reports false if the context ended first or the request was lost on its
// way. In the first case it may still arrive.
func send[T any](ctx context.Context, c *Client, fault Fault, serve func() answer[T]) (got answer[T], arrived bool) {
	if fault.Delay <= 0 {
		return serve(), true
	}
	if fault.LostWithCaller {
		if !sleep(ctx, fault.Delay) || c.losesRequests() {
			return got, false
		}
		return serve(), true
	}
	landed := make(chan answer[T], 1)
	time.AfterFunc(fault.Delay, func() {
		defer close(landed)
		if !c.losesRequests() {
			landed <- serve()
		}
	})
	select {
	case got, arrived = <-landed:
		return got, arrived
	case <-ctx.Done():
		return got, false
	}
}

// hang waits for healed, unless that is nil, and for the end of the context.
func hang(ctx context.Context, healed <-chan struct{}) error {
	if healed != nil {
		<-healed
	}
	<-ctx.Done()
	return ctx.Err()
}

// sleep reports false when the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Client) setNetwork(change func(*network)) {
	c.mu.Lock()
	change(&c.network)
	c.mu.Unlock()
	for _, w := range c.openStreams() {
		w.wake()
	}
}

func (c *Client) losesRequests() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.network.loseRequests
}

func (c *Client) losesReplies() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.network.loseReplies
}

// watching returns whether watch events come through, and how late.
func (c *Client) watching() (open bool, delay time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.network.loseReplies, c.network.delayWatching
}
