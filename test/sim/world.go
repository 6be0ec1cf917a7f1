// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kube-elector/elector/elector/leasetest"
	"github.com/kube-elector/elector/test/history"
)

const (
	namespace = "ns"
	leaseName = "lease"
)

// A world is one run of a plan in a bubble. It has the API server, the replicas, what their work writes to, and what is
// recorded.
type world struct {
	plan   *Plan
	server *leasetest.Server
	log    *history.Recorder
	store  history.Fence // what the leader's work writes to
	seats  []*seat
	group  sync.WaitGroup // every goroutine of the run
	began  time.Time
	end    chan struct{} // closed when no more processes must be started
	copies copies
	dir    string // of termination logs

	// These are of an election, unless they are replaced.
	build   func(*process)        // gives a process what it runs
	target  func(Fault) string    // the Lease that a fault is about
	observe func(leasetest.Write) // records what the server accepted

	strips, janitors atomic.Int32 // how many windows of these kinds are open

	mu     sync.Mutex // guards errors
	errors []history.Violation
}

func newWorld(p *Plan) *world {
	w := &world{plan: p, server: leasetest.NewServer(), began: time.Now(), end: make(chan struct{})}
	w.log = history.NewRecorder(w.began)
	w.build, w.observe = (*process).contend, w.wrote
	w.target = func(Fault) string { return leaseName }
	w.server.OnWrite(func(write leasetest.Write) { w.observe(write) })
	w.server.Admit(w.admit)
	for _, r := range p.Replicas {
		s := &seat{w: w, Replica: r, drain: r.Drain}
		if r.Detect {
			s.kubelet = newKubelet(w, r.Name)
		}
		w.seats = append(w.seats, s)
	}
	return w
}

// run runs the simulation from its beginning to its end.
func (w *world) run() {
	for _, s := range w.seats {
		w.group.Go(s.run)
	}
	for _, m := range w.moments() {
		time.Sleep(time.Until(w.began.Add(m.at))) //nolint:forbidigo // a bubble's time
		m.do()
	}
	w.log.Add(history.Event{Kind: history.FaultBegan, Note: "the end"})
	close(w.end)
	for _, s := range w.seats {
		if p := s.process(); p != nil {
			p.stop()
		}
	}
	w.group.Wait()
}

// wrote records what the server accepted. A change of holder is a moment to look who leads.
func (w *world) wrote(write leasetest.Write) {
	e := history.Event{Kind: history.LeaseWrite, Replica: write.Client, Before: record(write.Old), After: record(write.New)}
	w.log.Add(e)
	if e.Before.Holder != e.After.Holder {
		w.copies.keep(write.Old, write.New)
		w.look()
	}
	if write.Old == nil {
		w.tidy(leaseName)
	}
}

// record returns a Lease as histories have it.
func record(l *coordinationv1.Lease) *history.Record {
	r := history.RecordOf(l)
	return &r
}

// look asks every process whether it leads.
func (w *world) look() {
	for _, s := range w.seats {
		if p := s.process(); p != nil && !p.link.isFrozen() && p.leads() {
			p.record(history.Event{Kind: history.Leading})
		}
	}
}

// count records the requests sent and the lines logged, and looks.
func (w *world) count() {
	for _, s := range w.seats {
		if p := s.process(); p != nil {
			if n := p.link.requests(); n > 0 {
				p.record(history.Event{Kind: history.Requests, N: n})
			}
			if n := p.lines.Swap(0); n > 0 {
				p.record(history.Event{Kind: history.Logged, N: int(n)})
			}
		}
	}
	w.look()
}

// wrong notes what is wrong in itself.
func (w *world) wrong(v history.Violation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errors = append(w.errors, v)
}

// A seat is a replica. Its processes come one after the other, and find the network as it is.
type seat struct {
	Replica
	w       *world
	kubelet *kubelet // nil without crash detection

	mu      sync.Mutex // guards all below
	current *process
	network []Fault
	drain   time.Duration // how long work takes to end
	after   []func()      // to be called when the next process has started
}

func (s *seat) process() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

func (s *seat) set(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = p
	if p != nil {
		for _, f := range s.network {
			p.link.begin(f)
		}
	}
}

func (s *seat) drainTime() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drain
}

// begin puts a fault of the network on, for this process and those that follow.
func (s *seat) begin(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.network = append(s.network, f)
	if s.current != nil {
		s.current.link.begin(f)
	}
}

func (s *seat) finish(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.network {
		if s.network[i] == f {
			s.network = append(s.network[:i:i], s.network[i+1:]...)
			break
		}
	}
	if s.current != nil {
		s.current.link.end(f)
	}
}

// run starts process after process until the end.
func (s *seat) run() {
	for n := 1; ; n++ {
		p := newProcess(s, n)
		p.record(history.Event{Kind: history.ProcessStarted, Plain: s.Plain, Detects: s.Detect, OK: s.Release, Note: p.timing.String()})
		s.set(p)
		s.started()
		s.w.group.Go(p.run)
		<-p.exit
		s.set(nil)
		p.mu.Lock()
		rest := p.rest
		p.mu.Unlock()
		if s.kubelet != nil {
			reported := min(rest, s.kubelet.died(p.name, p.code))
			if rest -= reported; s.pause(reported) {
				return
			}
			s.kubelet.report()
		}
		if s.pause(rest) {
			return
		}
	}
}

// pause waits. It returns true when the end has come.
func (s *seat) pause(d time.Duration) (over bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.w.end:
	}
	select {
	case <-s.w.end:
		return true
	default:
		return false
	}
}

// next has a function called when the next process has started.
func (s *seat) next(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.after = append(s.after, do)
}

func (s *seat) started() {
	s.mu.Lock()
	after := s.after
	s.after = nil
	s.mu.Unlock()
	for _, do := range after {
		do()
	}
}

// lineCounter is a handler of the log that counts the lines an operator sees at the usual level.
type lineCounter struct{ n *atomic.Int64 }

func (c lineCounter) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (c lineCounter) Handle(context.Context, slog.Record) error {
	c.n.Add(1)
	return nil
}

func (c lineCounter) WithAttrs([]slog.Attr) slog.Handler { return c }

func (c lineCounter) WithGroup(string) slog.Handler { return c }
