// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"context"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// Op is one request, as an interceptor sees it.
type Op struct {
	Number    int    // 1 for the client's first request, 2 for its second
	Resource  string // leases or pods
	Verb      string // get, list, watch, create, update, patch, delete or deletecollection
	Namespace string
	Name      string                // "" for a list or watch that does not select one name
	Lease     *coordinationv1.Lease // a copy of what a create or update sends, or else nil
}

// A Fault is what the network or the server does to one request. The zero Fault is none. The parts happen in the order
// of the fields, so that Delay, an Err and ReplyDelay make an error that takes its time both ways.
type Fault struct {
	// Hang loses the request on its way: it is never carried out, and the call lasts until its context ends.
	Hang bool
	// Delay is the time until the request reaches the server. It arrives even when its caller has given up by then, as a
	// packet does: a write lands late.
	Delay time.Duration
	// LostWithCaller makes a request that is still under Delay when its context ends never arrive.
	LostWithCaller bool
	// Err is the server's answer, given instead of carrying the request out.
	Err error
	// ReplyDelay is the time from carrying the request out until the caller has the reply.
	ReplyDelay time.Duration
	// LoseReply loses the reply. The request is carried out, and the call lasts until its context ends.
	LoseReply bool
	// IgnoreContext makes the call outlast its context, as one does that waits for a token source, an exec plugin or a
	// hung wrapper. It takes all its delays, and can succeed after its context has ended. With Hang or LoseReply it lasts
	// until Heal. With LostWithCaller it fails after Delay if its context has ended by then.
	IgnoreContext bool
}

// plus returns both faults in one. Delays add up, and f's error goes before other's.
func (f Fault) plus(other Fault) Fault {
	if f.Err == nil {
		f.Err = other.Err
	}
	return Fault{
		Hang:           f.Hang || other.Hang,
		Delay:          f.Delay + other.Delay,
		LostWithCaller: f.LostWithCaller || other.LostWithCaller,
		Err:            f.Err,
		ReplyDelay:     f.ReplyDelay + other.ReplyDelay,
		LoseReply:      f.LoseReply || other.LoseReply,
		IgnoreContext:  f.IgnoreContext || other.IgnoreContext,
	}
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
