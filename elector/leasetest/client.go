// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

var _ kubernetes.Interface = (*Client)(nil)

// Client is one replica's connection to a Server, with faults of its own. As a kubernetes.Interface it serves
// CoordinationV1().Leases(…), and of CoreV1().Pods(…) get, list and watch; everything else answers with an error that
// says so. Get it from Server.Client. All methods may be called concurrently, those that set faults while requests are
// under way as well.
type Client struct {
	otherGroups
	server *Server
	name   string

	mu      sync.Mutex // guards the fields below; never held while waiting or calling out
	counts  map[string]int
	number  int
	network network
	healed  chan struct{} // closed by the next Heal
	streams []*stream     // open watches
}

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

func newClient(s *Server, name string) *Client {
	return &Client{
		otherGroups: noOtherGroups(), server: s, name: name, counts: map[string]int{}, healed: make(chan struct{}),
	}
}

// CoordinationV1 serves Leases.
func (c *Client) CoordinationV1() coordinationv1client.CoordinationV1Interface {
	return coordination{c.otherGroups.CoordinationV1(), c}
}

// CoreV1 serves Pods, to read them.
func (c *Client) CoreV1() corev1client.CoreV1Interface {
	return core{c.otherGroups.CoreV1(), c}
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

// Watches returns how many watches are open, stalled ones included. Without resources ("leases", "pods") it counts all.
func (c *Client) Watches(resources ...string) int { return len(c.openStreams(resources...)) }

func (c *Client) openStreams(resources ...string) []*stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.streams), func(w *stream) bool {
		return len(resources) > 0 && !slices.Contains(resources, w.want.kind)
	})
}

func (c *Client) setNetwork(change func(*network)) {
	c.mu.Lock()
	change(&c.network)
	c.mu.Unlock()
	for _, w := range c.openStreams() {
		w.wake()
	}
}

// begin counts the request and returns its fault, and the channel that the next Heal closes.
func (c *Client) begin(op *Op) (Fault, <-chan struct{}) {
	c.mu.Lock()
	c.counts[op.Verb]++
	c.number++
	op.Number = c.number
	n := &c.network
	fault := Fault{Hang: n.loseRequests, Delay: n.delay, ReplyDelay: n.replyDelay, IgnoreContext: n.ignoreContext}
	if n.errCount != 0 && !fault.Hang {
		fault.Err = n.err
		n.errCount = max(n.errCount-1, -1)
	}
	intercept, healed := n.intercept, c.healed
	c.mu.Unlock()
	if intercept != nil {
		op.Lease = op.Lease.DeepCopy() // it may be kept, and the server works on the other
		fault = fault.plus(intercept(*op))
	}
	return fault, healed
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

func (c *Client) requests(verb string) (sent int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if verb != "" {
		return c.counts[verb]
	}
	for _, n := range c.counts {
		sent += n
	}
	return sent
}

func (c *Client) resetRequests() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.counts)
}
