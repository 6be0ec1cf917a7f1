// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/kube-elector/elector/test/chaos/report"
	"github.com/kube-elector/elector/test/chaos/scenario"
	"github.com/kube-elector/elector/test/chaos/stage"
	"github.com/kube-elector/elector/test/harness"
)

// lanes is how many scenarios are played at once on one control plane. They wait most of the time, but each has three
// processes and a busy writer. With many more of them than processors, hand-overs would be late for that reason alone.
var lanes = min(5, 1+runtime.NumCPU())

// A turn is one playing of a scenario.
type turn struct {
	scenario.Scenario
	name string // of its evidence
}

// turns returns n turns of each scenario.
func turns(all []scenario.Scenario, n int) (list []turn) {
	for i := range n {
		for _, sc := range all {
			name := fmt.Sprintf("%02d", sc.Row)
			if n > 1 {
				name = fmt.Sprintf("%02d-%03d", sc.Row, i+1)
			}
			list = append(list, turn{sc, name})
		}
	}
	return list
}

// A runner plays scenarios.
type runner struct {
	peer   string
	assets string
	dir    string // for results and evidence
	stalls *stage.Stalls
	keep   bool // also the evidence of scenarios that pass

	mu    sync.Mutex // Its holder calls begin or end.
	begin func(name string)
	end   func(name string, r report.Result)
}

// watched calls f while the machine's stalls are noted.
func (r *runner) watched(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { r.stalls.Watch(ctx) })
	defer group.Wait()
	defer cancel()
	return f()
}

// playAll plays the turns. Those that need control planes of their own are played one after the other.
func (r *runner) playAll(ctx context.Context, list []turn) error {
	var shared, alone []turn
	for _, one := range list {
		if one.Alone {
			alone = append(alone, one)
		} else {
			shared = append(shared, one)
		}
	}
	// The longest come first, or all would wait for them in the end.
	slices.SortStableFunc(shared, func(a, b turn) int { return b.Length - a.Length })
	var group sync.WaitGroup
	var sharedErr, aloneErr error
	group.Go(func() { sharedErr = r.playShared(ctx, shared) })
	group.Go(func() {
		for _, one := range alone {
			if err := r.onPlane(ctx, true, func(p *stage.Plane) { r.play(ctx, p, one) }); err != nil {
				aloneErr = errors.Join(aloneErr, fmt.Errorf("row %d: %w", one.Row, err))
			}
			if ctx.Err() != nil {
				return
			}
		}
	})
	group.Wait()
	return errors.Join(sharedErr, aloneErr, context.Cause(ctx))
}

func (r *runner) playShared(ctx context.Context, list []turn) error {
	if len(list) == 0 {
		return nil
	}
	return r.onPlane(ctx, false, func(p *stage.Plane) {
		queue := make(chan turn)
		var group sync.WaitGroup
		for range lanes {
			group.Go(func() {
				for one := range queue {
					r.play(ctx, p, one)
				}
			})
		}
		for _, one := range list {
			if ctx.Err() == nil {
				queue <- one
			}
		}
		close(queue)
		group.Wait()
	})
}

// soak plays chapters on one control plane until the time is over. The seed decides which faults affect which replicas
// and for how long, but not what the machine does meanwhile.
func (r *runner) soak(ctx context.Context, d time.Duration, seed uint64) error {
	return r.onPlane(ctx, true, func(p *stage.Plane) {
		until := time.Now().Add(d)
		for n := 1; time.Now().Before(until) && ctx.Err() == nil; n++ {
			r.play(ctx, p, turn{scenario.Chapter(n, seed, until), fmt.Sprintf("soak-%d-%03d", seed, n)})
		}
	})
}

// onPlane starts a control plane for f. Its logs are kept if they are wanted.
func (r *runner) onPlane(ctx context.Context, exclusive bool, f func(*stage.Plane)) (err error) {
	parent := filepath.Join(r.dir, "planes")
	if err := os.MkdirAll(parent, 0o755); err != nil { //nolint:gosec // Anyone may read it.
		return err
	}
	dir, err := os.MkdirTemp(parent, time.Now().Format("150405-"))
	if err != nil {
		return err
	}
	servers, err := harness.StartControlPlane(ctx, r.assets, dir, harness.WithoutServiceAccounts)
	if err != nil {
		return err // Its logs say why.
	}
	p := &stage.Plane{ControlPlane: servers, Exclusive: exclusive}
	defer func() {
		rest := p.File("etcd")
		if !p.Wanted.Load() {
			rest = dir
		}
		err = errors.Join(err, p.Stop(), os.RemoveAll(rest))
	}()
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { r.stalls.Probe(ctx, p) })
	defer group.Wait()
	defer cancel()
	f(p)
	return nil
}

// replays is how often a scenario is played again during which the machine stalled for too long to show anything.
const replays = 1

// play plays a scenario. If it does not pass while the machine stalled for more than a RetryPeriod, and if that is not
// about safety, it has shown nothing and is played again.
func (r *runner) play(ctx context.Context, p *stage.Plane, one turn) {
	r.mu.Lock()
	r.begin(one.name)
	r.mu.Unlock()
	var result report.Result
	for n := 0; ; n++ {
		result = r.playOnce(ctx, p, one)
		result.Replays = n
		stalled := result.Stall > cmp.Or(one.Timing, harness.Quick).RetryPeriod && !result.Unsafe
		if result.Verdict == report.Passed || !stalled || n == replays || ctx.Err() != nil {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end(one.name, result)
}

// playOnce plays a scenario once. It leaves the evidence unless the scenario has passed.
func (r *runner) playOnce(ctx context.Context, p *stage.Plane, one turn) report.Result {
	began := time.Now()
	dir := filepath.Join(r.dir, "evidence", one.name)
	s, err := r.perform(ctx, p, one.Scenario, dir)
	outcome, h := s.Conclude()
	result := report.Result{Row: one.Row, Name: one.Name, Must: one.Must, Verdict: report.Passed, Outcome: outcome, Took: time.Since(began)}
	switch {
	case err != nil:
		result.Verdict = report.Broken
		result.Failures = append(result.Failures, err.Error())
	case len(result.Failures) > 0:
		result.Verdict = report.Failed
	}
	if result.Verdict == report.Passed && !r.keep {
		err = os.RemoveAll(dir)
	} else {
		result.Evidence = dir
		p.Wanted.Store(true)
		err = h.Save(filepath.Join(dir, "history.txt"))
	}
	if err != nil {
		result.Failures = append(result.Failures, "evidence: "+err.Error())
	}
	return result
}

// perform plays the scenario on a stage, which has ended when it returns.
func (r *runner) perform(ctx context.Context, p *stage.Plane, sc scenario.Scenario, dir string) (*stage.Stage, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cleared := os.RemoveAll(dir)
	s, err := stage.Open(ctx, p, r.stalls, r.peer, dir, sc.Setup)
	if err != nil {
		return s, errors.Join(err, cleared)
	}
	err = s.Play(func(s *stage.Stage) {
		if !sc.Late {
			s.Raise()
		}
		sc.Play(s)
	})
	return s, errors.Join(err, s.Close(), cleared)
}
