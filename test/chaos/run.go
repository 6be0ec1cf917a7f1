// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/kube-elector/elector/test/harness"
)

// lanes is how many scenarios are played at once on one control plane. They wait most of the time, but each has three
// processes and a busy writer: with many more of them than processors, hand-overs are late for no fault of anybody.
var lanes = min(5, 1+runtime.NumCPU())

// turn is one playing of a scenario.
type turn struct {
	scenario
	name string // of its evidence
}

// turns are n of each scenario.
func turns(all []scenario, n int) (list []turn) {
	for i := range n {
		for _, sc := range all {
			name := fmt.Sprintf("%02d", sc.row)
			if n > 1 {
				name = fmt.Sprintf("%02d-%03d", sc.row, i+1)
			}
			list = append(list, turn{sc, name})
		}
	}
	return list
}

// watched plays with the machine's stalls noted.
func (t *theatre) watched(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { t.stalls.watch(ctx) })
	defer group.Wait()
	defer cancel()
	return f()
}

// playAll plays the turns, those that need it on control planes of their own, one after the other; and tells of each as
// it begins and as it ends, one call at a time.
func (t *theatre) playAll(ctx context.Context, list []turn, begin func(turn), end func(turn, result)) error {
	var shared, alone []turn
	for _, one := range list {
		if one.alone {
			alone = append(alone, one)
		} else {
			shared = append(shared, one)
		}
	}
	// The longest first, or all would wait for it in the end.
	slices.SortStableFunc(shared, func(a, b turn) int { return b.length - a.length })
	var mu sync.Mutex // Its holder tells.
	play := func(p *plane, one turn) {
		mu.Lock()
		begin(one)
		mu.Unlock()
		r := t.playOn(ctx, p, one.scenario, one.name)
		mu.Lock()
		defer mu.Unlock()
		end(one, r)
	}
	var group sync.WaitGroup
	var sharedErr, aloneErr error
	group.Go(func() { sharedErr = t.playShared(ctx, shared, play) })
	group.Go(func() {
		for _, one := range alone {
			if err := t.onPlane(ctx, true, func(p *plane) { play(p, one) }); err != nil {
				aloneErr = errors.Join(aloneErr, fmt.Errorf("row %d: %w", one.row, err))
			}
			if ctx.Err() != nil {
				return
			}
		}
	})
	group.Wait()
	return errors.Join(sharedErr, aloneErr, context.Cause(ctx))
}

func (t *theatre) playShared(ctx context.Context, list []turn, play func(*plane, turn)) error {
	if len(list) == 0 {
		return nil
	}
	return t.onPlane(ctx, false, func(p *plane) {
		queue := make(chan turn)
		var group sync.WaitGroup
		for range lanes {
			group.Go(func() {
				for one := range queue {
					play(p, one)
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

// onPlane starts a control plane for f. Its logs are kept if they are wanted.
func (t *theatre) onPlane(ctx context.Context, exclusive bool, f func(*plane)) (err error) {
	parent := filepath.Join(t.dir, "planes")
	if err := os.MkdirAll(parent, 0o755); err != nil { //nolint:gosec // Anyone may read it.
		return err
	}
	dir, err := os.MkdirTemp(parent, time.Now().Format("150405-"))
	if err != nil {
		return err
	}
	servers, err := harness.StartControlPlane(ctx, t.assets, dir)
	if err != nil {
		return err // Its logs say why.
	}
	p := &plane{ControlPlane: servers, exclusive: exclusive}
	defer func() {
		rest := p.File("etcd")
		if !p.wanted.Load() {
			rest = dir
		}
		err = errors.Join(err, p.Stop(), os.RemoveAll(rest))
	}()
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { t.stalls.probe(ctx, p) })
	defer group.Wait()
	defer cancel()
	f(p)
	return nil
}
