// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing/synctest"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
)

// step does one thing that happens to the tenures.
func (m *model) step() {
	switch n := m.rand.IntN(20); {
	case n < 10:
		time.Sleep(time.Duration(m.rand.IntN(5000)) * time.Microsecond)
	case n < 15:
		m.begin(shard(m.rand.IntN(modelShards)))
	default:
		m.end(shard(m.rand.IntN(modelShards)))
	}
}

// enqueue adds keys in all ways there are, in bursts.
func (m *model) enqueue(r *rand.Rand, n int) {
	for range n {
		key := r.IntN(modelKeys)
		m.mu.Lock()
		m.keys[key].wanted++
		m.mu.Unlock()
		switch r.IntN(6) {
		case 0, 1:
			m.queue.Add(key)
		case 2:
			m.queue.AddWithOpts(priorityqueue.AddOpts{Priority: ptr.To(r.IntN(3) - 1)}, key)
		case 3:
			m.queue.AddAfter(key, time.Duration(r.IntN(10))*time.Millisecond)
		case 4:
			m.queue.AddRateLimited(key)
		case 5:
			m.queue.Add(key)
			time.Sleep(time.Duration(r.IntN(5000)) * time.Microsecond)
		}
	}
}

func (m *model) begin(s shard) {
	if m.open[s] != nil {
		return
	}
	mt := &modelTenure{}
	mt.tenure = newTenure(context.WithValue(context.Background(), tenureKey{}, mt), s)
	m.open[s] = mt
	m.tenures.open(mt.tenure)
}

// end ends a tenure. It waits for what runs in it, but not for long.
func (m *model) end(s shard) {
	mt := m.open[s]
	if mt == nil {
		return
	}
	m.open[s] = nil
	if m.rand.IntN(2) == 0 { // its context ends some time before the gate hears of it
		mt.cancel(errors.New("lost"))
		time.Sleep(time.Duration(m.rand.IntN(1000)) * time.Microsecond)
	}
	idle := m.tenures.close(mt.tenure, errors.New("ended"))
	select {
	case <-idle:
		m.mu.Lock()
		mt.settled = true
		m.mu.Unlock()
	case <-time.After(time.Duration(m.rand.IntN(30)) * time.Millisecond):
	}
}

// settle ends what lasts and begins it again at once, lets everything come to its end, and looks for what was lost.
func (m *model) settle() {
	for s := range shard(modelShards) {
		m.end(s)
		m.begin(s)
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	for key, k := range m.keys {
		if k.done != k.wanted {
			m.fault("key %d: request %d of %d was the last that was reconciled", key, k.done, k.wanted)
		}
	}
	if len(m.queue.parked) != 0 || len(m.queue.inFlight) != 0 {
		m.fault("%d keys are parked and %d in flight after all was done", len(m.queue.parked), len(m.queue.inFlight))
	}
}

func (m *model) stop() {
	for s := range shard(modelShards) {
		if mt := m.open[s]; mt != nil {
			<-m.tenures.close(mt.tenure, errors.New("stopped"))
			m.mu.Lock()
			mt.settled = true
			m.mu.Unlock()
		}
	}
	m.queue.ShutDown()
	m.workers.Wait()
}

// run takes steps, and looks every now and then for what was lost.
func (m *model) run(steps int) {
	for range steps / modelCheck {
		var enqueuers sync.WaitGroup
		for range modelEnqueuers {
			seed := m.rand.Uint64()
			enqueuers.Go(func() { m.enqueue(rand.New(rand.NewPCG(seed, 2)), modelCheck*8/10/modelEnqueuers) })
		}
		for range modelCheck * 2 / 10 {
			m.step()
		}
		enqueuers.Wait()
		m.settle()
	}
}
