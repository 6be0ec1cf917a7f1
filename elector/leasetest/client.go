// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"slices"
	"sync"

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

// Watches returns how many watches are open, stalled ones included. Without resources ("leases", "pods") it counts all.
func (c *Client) Watches(resources ...string) int { return len(c.openStreams(resources...)) }

func (c *Client) openStreams(resources ...string) []*stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.streams), func(w *stream) bool {
		return len(resources) > 0 && !slices.Contains(resources, w.want.kind)
	})
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
