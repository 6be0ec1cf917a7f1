// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
	"github.com/kube-elector/elector/elector/shards"
	"github.com/kube-elector/elector/test/history"
)

// shardLease returns the name of a shard's Lease.
func shardLease(i int) string { return fmt.Sprintf("%s-shard-%d", leaseName, i) }

func isShard(lease string) bool { return strings.HasPrefix(lease, leaseName+"-shard-") }

// newSetPlan draws the plan of replicas that share shards. Most have few of both, since a year of them costs less.
func newSetPlan(seed uint64, mix Mix) *Plan {
	mix.Plain, mix.Later = NonePlain, false
	p := NewPlan(seed, mix)
	r := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // a seed must give the same plan again
	longest := p.Timing == timings[len(timings)-1]
	if r.IntN(2) == 0 || longest && r.IntN(3) > 0 {
		p.Replicas = p.Replicas[:2]
	}
	n := 1 + r.IntN(8)
	if r.IntN(4) == 0 {
		n = 1 + r.IntN(64)
	}
	for i := range p.Replicas {
		one := &p.Replicas[i]
		one.Shards = n
		// Every replica renews, and a short RetryPeriod in a long plan would take hours.
		one.Timings = slices.DeleteFunc(one.Timings, func(t Timing) bool { return 6*t.RetryPeriod < p.Timing.RetryPeriod })
	}
	if mix.Odd && r.IntN(12) == 0 {
		p.Replicas[len(p.Replicas)-1].Shards = n + 1
	}
	p.Faults = slices.DeleteFunc(p.Faults, func(f Fault) bool {
		named := func(r Replica) bool { return r.Name == f.Replica }
		return f.Replica != "" && f.Replica != leader && !slices.ContainsFunc(p.Replicas, named)
	})
	if mix.Quiet && longest {
		p.quieten()
	}
	// At last one leaves and comes back, and one crashes, while nothing else happens.
	lease, last := p.Timing.LeaseDuration, p.Replicas[len(p.Replicas)-1].Name
	for _, kind := range []Kind{Stop, Crash} {
		at := p.Length + 2*lease
		p.Faults = append(p.Faults, Fault{At: at, Kind: kind, Replica: last, For: 10 * lease})
		p.Length = at + 20*lease
	}
	return p
}

// quieten makes the times in which nothing happens thirty times as long, some days in all.
func (p *Plan) quieten() {
	last, later := time.Duration(0), time.Duration(0)
	for i := range p.Faults {
		f := &p.Faults[i]
		if gap := f.At - last; gap > 4*p.Timing.LeaseDuration {
			later += 29 * gap
		}
		last = f.At
		f.At += later
	}
	p.Length += later
}

// set is what a world has of a set of shards.
type set struct {
	*world

	mu     sync.Mutex // guards all below
	leases map[string]*coordinationv1.Lease
	holder map[string]string // the process that wrote the record, by Lease, "" if an administrator did
}

// runSet carries out the plan of a set of shards in a bubble of its own.
func runSet(t *testing.T, p *Plan) (result Result) {
	t.Helper()
	dir, free := logs.take()
	defer free()
	synctest.Test(t, func(*testing.T) {
		s := &set{world: newWorld(p), leases: map[string]*coordinationv1.Lease{}, holder: map[string]string{}}
		s.dir = dir
		s.build, s.target, s.observe = s.share, s.pick, s.saw
		s.run()
		result.History, result.Violations = s.log.History(), s.errors
	})
	result.Violations = append(result.Violations, judgeSet(p, result.History)...)
	result.Stats = stats(p, result.History, p.limits())
	result.Stats.Wrong = map[string]int{}
	for _, v := range result.Violations {
		result.Stats.Wrong[v.Invariant] = 1
	}
	return result
}

// share gives a process its part in the set.
func (s *set) share(p *process) {
	config := elector.Config{
		Enabled: true, Identity: p.identity(), LeaseName: leaseName, LeaseNamespace: namespace,
		LeaseDuration: p.timing.LeaseDuration, RenewDeadline: p.timing.RenewDeadline, RetryPeriod: p.timing.RetryPeriod,
		ReleaseOnCancel: p.seat.Release, DrainTimeout: s.plan.drainTimeout(),
	}
	part, err := boot(p.seat, &config, func() (*shards.Shards, error) {
		return shards.New(&config, p.seat.Shards, p.link, shards.Callbacks{
			OnStarted:    p.serveShard,
			OnStopped:    func(i int) { p.tell(history.Event{Kind: history.TermStopped, Lease: shardLease(i)}) },
			OnOtherCount: func(error) {},
		}, slog.New(lineCounter{&p.lines}))
	})
	if err != nil {
		panic(err) // a plan that cannot be
	}
	p.held = part.Held
	p.leads = func() bool { return len(part.Held()) > 0 }
	p.start = func(ctx context.Context) error {
		err := part.Start(ctx)
		s.left(p, err)
		return err
	}
	p.step = func(context.Context) error { return s.stepDown(p.identity()) }
}

// left looks whether a process whose Start has returned nil still has a session.
func (s *set) left(p *process, err error) {
	if err != nil || !p.seat.Release {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, lease := range s.leases {
		if isShard(name) || s.holder[name] != p.name || lease.Spec.RenewTime == nil || ptr.Deref(lease.Spec.HolderIdentity, "") != p.identity() {
			continue
		}
		if left := time.Until(lease.Spec.RenewTime.Add(time.Duration(ptr.Deref(lease.Spec.LeaseDurationSeconds, 0)) * time.Second)); left > 0 {
			p.wrong("nil", fmt.Sprintf("Start returned nil, and %s is held for %v", name, left))
		}
	}
}

// stepDown asks for the end of a session, as kubectl does.
func (s *set) stepDown(identity string) error {
	s.mu.Lock()
	name := ""
	for _, lease := range s.leases {
		if !isShard(lease.Name) && ptr.Deref(lease.Spec.HolderIdentity, "") == identity {
			name = lease.Name
		}
	}
	s.mu.Unlock()
	s.server.Edit(namespace, name, func(l *coordinationv1.Lease) {
		metav1.SetMetaDataAnnotation(&l.ObjectMeta, elector.StepDownAnnotation, l.Annotations[elector.LeaderTokenAnnotation])
	})
	return elector.ErrNotReleased
}

// serveShard does the work of a shard.
func (p *process) serveShard(ctx context.Context, shard int) {
	term, _ := elector.TermFromContext(ctx)
	e := history.Event{Kind: history.TermStarted, Lease: shardLease(shard), Token: string(term.Token), N: p.seat.Shards}
	p.tell(e)
	select {
	case <-ctx.Done():
	case <-p.exit:
	}
	p.link.gate()
	e.Kind, e.Cause = history.TermCancelled, cause(ctx)
	p.record(e)
	p.endShard(term, errors.Is(context.Cause(ctx), shards.ErrGivenBack) || e.Cause == history.CauseStopped || e.Cause == history.CauseSteppedDown)
	e.Kind = history.WorkReturned
	p.tell(e)
}

// endShard takes the time that the work of a shard takes to end. If its term is lost meanwhile it ends at once.
func (p *process) endShard(term elector.Term, voluntary bool) {
	length, _ := p.drain(voluntary)
	for end := time.Now().Add(length); ; {
		left := time.Until(end)
		if voluntary && length < time.Hour {
			left = min(left, term.Remaining())
		}
		if left <= 0 || !p.wait(context.Background(), left) {
			return
		}
		if p.wasFrozen() {
			return
		}
	}
}

// wasFrozen reports whether the process has been frozen, after which its work has no time left.
func (p *process) wasFrozen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slow && !p.hog
}

// pick returns the Lease that a fault is about: mostly a shard's.
func (s *set) pick(f Fault) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := int(f.At / time.Microsecond)
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(s.leases)), func(name string) bool { return isShard(name) == (at%3 == 0) })
	if len(names) == 0 {
		return shardLease(0)
	}
	return names[at%len(names)]
}

// saw records changes of holders, and who else holds a shard that is claimed.
func (s *set) saw(write leasetest.Write) {
	lease := write.New
	if lease == nil {
		lease = write.Old
	}
	name := lease.Name
	s.mu.Lock()
	if s.leases[name] = lease; write.New == nil {
		delete(s.leases, name)
	}
	s.holder[name] = write.Client
	s.mu.Unlock()
	e := history.Event{Kind: history.LeaseWrite, Replica: write.Client, Lease: name, Before: record(write.Old), After: record(write.New)}
	if write.Client != "" && e.Before.Holder == e.After.Holder && e.Before.UID == e.After.UID && !(isShard(name) && e.Before.Renewed != e.After.Renewed) {
		return // a renewal
	}
	s.log.Add(e)
	s.copies.keep(write.Old, write.New)
	for _, other := range s.seats {
		p := other.process()
		if !isShard(name) || e.After.Holder == "" || write.Client == "" || p == nil || p.name == write.Client || p.link.isFrozen() {
			continue
		}
		if slices.ContainsFunc(p.held(), func(i int) bool { return shardLease(i) == name }) {
			p.record(history.Event{Kind: history.Leading, Lease: name})
		}
	}
	if write.Old == nil {
		s.tidy(name)
	}
}

// TestSeedsOfShards runs a few plans of shards. Run many with make sim SIM_FLAGS=-sim.shards.
func TestSeedsOfShards(t *testing.T) {
	for seed := range uint64(12) {
		for _, v := range runSet(t, newSetPlan(seed, Everything())).Violations {
			t.Errorf("seed %d: %v", seed, v)
		}
	}
}

// TestSeedsOfShardsThatFoundBugs runs those plans that found something and take little time.
func TestSeedsOfShardsThatFoundBugs(t *testing.T) {
	for _, seed := range []uint64{760000075, 760000583, 800000440, 810000318, 1100000018} {
		for _, v := range runSet(t, newSetPlan(seed, Everything())).Violations {
			t.Errorf("seed %d: %v", seed, v)
		}
	}
}
