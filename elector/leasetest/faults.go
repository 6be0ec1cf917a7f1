// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
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

// Intercept sets a function that is called before every request and returns the fault of that request. A nil function
// removes it. The function may be called concurrently, may call the server's and the client's methods, and may block.
// Its Fault comes on top of what the other methods have set.
func (c *Client) Intercept(fault func(Op) Fault) {
	c.setNetwork(func(n *network) { n.intercept = fault })
}

// Latency makes each request take the time to reach the server, and each reply the time to come back. A request arrives
// even when its caller has given up. Watch events are not touched; see DelayWatches.
func (c *Client) Latency(request, reply time.Duration) {
	c.setNetwork(func(n *network) { n.delay, n.replyDelay = request, reply })
}

// Fail answers the next n requests with err instead of carrying them out; all of them when n is negative. Errors as the
// server gives them are made by k8s.io/apimachinery/pkg/api/errors. Unlike a real clientset, the client never tries
// again by itself, whatever the error says.
func (c *Client) Fail(err error, n int) {
	c.setNetwork(func(network *network) { network.err, network.errCount = err, n })
}

// Partition cuts the network both ways: requests are lost and last until their contexts end, replies under way are lost
// too, and watches go silent but stay open. What they miss is kept and delivered after Heal, as TCP does; for
// connections that do not survive, call StallWatches or CutWatches before Heal.
func (c *Client) Partition() {
	c.setNetwork(func(n *network) { n.loseRequests, n.loseReplies = true, true })
}

// DropRequests loses what goes to the server, as Partition does; watches go on.
func (c *Client) DropRequests() {
	c.setNetwork(func(n *network) { n.loseRequests = true })
}

// DropReplies loses what comes from the server, as Partition does: requests are carried out, and their callers do not
// hear of it.
func (c *Client) DropReplies() {
	c.setNetwork(func(n *network) { n.loseReplies = true })
}

// IgnoreContexts makes requests outlast their contexts, as Fault.IgnoreContext does: together with Partition,
// DropRequests or DropReplies they hang until Heal.
func (c *Client) IgnoreContexts() {
	c.setNetwork(func(n *network) { n.ignoreContext = true })
}

// DelayWatches makes each watch event arrive that long after its write, in open and in later watches. It may be changed
// at any time; the order of events stays.
func (c *Client) DelayWatches(d time.Duration) {
	c.setNetwork(func(n *network) { n.delayWatching = d })
}

// Heal takes away all faults set by the methods above, the interceptor included. Requests that were lost stay lost,
// delayed ones stay on their way, and stalled watches stay stalled. A lost request that has ignored the end of its
// context fails now.
func (c *Client) Heal() {
	c.setNetwork(func(n *network) {
		*n = network{}
		close(c.healed)
		c.healed = make(chan struct{})
	})
}

// StallWatches lets the watches that are open now die silently: they stay open and never deliver again, not even their
// timeout. Later watches work. Without resources ("leases", "pods") it means all.
func (c *Client) StallWatches(resources ...string) {
	for _, w := range c.openStreams(resources...) {
		w.stall()
	}
}

// CutWatches closes the watches that are open now, as a broken connection does; events not yet delivered are lost.
// Without resources ("leases", "pods") it means all.
func (c *Client) CutWatches(resources ...string) {
	for _, w := range c.openStreams(resources...) {
		w.Stop()
	}
}

// ExpireWatches ends the watches that are open now with an error event 410 Expired, after the events before it. Without
// resources ("leases", "pods") it means all.
func (c *Client) ExpireWatches(resources ...string) {
	for _, w := range c.openStreams(resources...) {
		w.expire()
	}
}
