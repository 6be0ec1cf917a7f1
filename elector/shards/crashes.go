// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kube-elector/elector/elector/internal/crash"
	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/internal/wait"
)

// watched is how many Pods a replica watches. So each is watched by as many replicas, of which one may have crashed,
// too, or be cut off. That all watch all would cost the API server the square of their number.
const watched = 2

// crashes ends the sessions of other replicas whose containers have ended. It watches the Pods of those that follow
// this one in the order of their Leases. Those that are known to be dead are not counted.
type crashes struct {
	s         *Shards
	pace      lease.Pace    // of beginnings
	stirred   chan struct{} // holds one: a container has ended
	unwatched atomic.Bool   // it was said that Pods cannot be watched

	known map[mortal]*pursuit // only run's goroutine uses it
}

// pursuit is what becomes of one session.
type pursuit struct {
	cancel   context.CancelFunc
	state    atomic.Int32
	follower *crash.Follower
	asked    time.Time // when the record was written that the Pod was last read for
}

// What a pursuit has come to.
const (
	watching int32 = iota
	dead           // its process is known to be dead
	gone           // the session was over before that
)

func newCrashes(s *Shards) *crashes {
	return &crashes{
		s: s, stirred: make(chan struct{}, 1), known: map[mortal]*pursuit{},
		pace: lease.Pace{Free: 3 * watched, First: lease.FirstPause, Factor: 2, Forget: s.config.LeaseDuration},
	}
}

// run looks after the others until ctx ends. It does nothing if c is nil.
func (c *crashes) run(ctx context.Context) {
	if c == nil {
		return
	}
	var group sync.WaitGroup
	for ctx.Err() == nil {
		c.pursue(ctx, &group)
		next := c.s.config.RetryPeriod / 2
		if pause := c.pace.In(lease.Now()); pause > 0 {
			next = min(next, pause)
		}
		wait.Any(ctx, next, c.stirred, c.s.view.stirred)
	}
	group.Wait()
}

// pursue begins to watch those who must be watched, and stops watching others.
func (c *crashes) pursue(ctx context.Context, group *sync.WaitGroup) {
	ring, silent := c.s.view.ring()
	kept, alive := map[mortal]*pursuit{}, 0
	for _, m := range ring {
		p := c.known[m]
		if p != nil && p.state.Load() == gone {
			p = nil
		}
		if p == nil && alive < watched && c.pace.In(lease.Now()) == 0 {
			p = c.begin(ctx, group, m)
		}
		if p == nil || p.state.Load() == watching && alive >= watched {
			continue
		}
		kept[m] = p
		if p.state.Load() == watching {
			alive++
			p.hurry(silent[m])
		}
	}
	for m, p := range c.known {
		switch {
		case kept[m] == p:
		case p.state.Load() == dead && c.s.view.replica(m.session) != nil: // its annotations may have been removed
			kept[m] = p
		default:
			p.cancel()
		}
	}
	c.known = kept
}

func (c *crashes) begin(parent context.Context, group *sync.WaitGroup, m mortal) *pursuit {
	c.pace.Ended(lease.Now(), c.s.config.LeaseDuration, 0)
	ctx, cancel := context.WithCancel(parent)
	slow := min(15*c.s.config.RetryPeriod, 30*time.Second)
	user := crash.User{Blind: c.whileBlind, Failed: c.failed, Worked: c.worked}
	p := &pursuit{cancel: cancel, follower: crash.NewFollower(c.s.clientset, c.s.client.asker, slow, user)}
	group.Go(func() {
		defer cancel()
		c.follow(ctx, m, p)
	})
	return p
}

// hurry makes the Pod be read once, if the session's record was written at a time and should have been renewed since.
func (p *pursuit) hurry(written time.Time) {
	if written.IsZero() || p.asked.Equal(written) {
		return
	}
	p.asked = written
	p.follower.Silent()
}

// follow watches the Pod of the session's process, and ends the session when that has ended.
func (c *crashes) follow(parent context.Context, m mortal, p *pursuit) {
	ctx, stop := context.WithCancel(parent)
	defer stop()
	var last corpse
	instance, _ := m.instance()
	p.follower.Follow(ctx, instance, func(end crash.End) {
		record := c.s.view.replica(m.session)
		switch {
		case last.record != nil:
		case record == nil:
			stop() // it is over
		case processOf(record) == m.process:
			last = corpse{m, instance, end, record, time.Now()}
			stop()
		}
	})
	if last.record == nil {
		p.state.Store(gone)
		return
	}
	p.state.Store(dead)
	select {
	case c.stirred <- struct{}{}:
	default:
	}
	c.bury(parent, last)
}

// whileBlind waits while this replica sees nothing of the set.
func (c *crashes) whileBlind(ctx context.Context) {
	for ctx.Err() == nil && c.s.watcher.blind() {
		wait.Sleep(ctx, c.s.config.RetryPeriod)
	}
}

// failed takes in that a Pod cannot be read or watched.
func (c *crashes) failed(ctx context.Context, err error) {
	level := slog.LevelDebug
	if lease.Refused(err) && !c.unwatched.Swap(true) {
		level = slog.LevelInfo
	}
	c.s.logger.Log(ctx, level, "cannot watch the Pod of another replica, so its crash is noticed after LeaseDuration", "err", err)
}

// worked takes in that a Pod is watched.
func (c *crashes) worked(ctx context.Context) {
	if c.unwatched.Swap(false) {
		c.s.logger.InfoContext(ctx, "watching the Pods of other replicas works again")
	}
}
