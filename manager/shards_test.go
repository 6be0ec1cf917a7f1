// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/controller"
)

// mine returns how many of the objects c0, c1, … are in shards of the replica.
func (s *ship) mine(objects int) int {
	n := 0
	for _, name := range names(objects) {
		if _, ok := s.Shards().Term(s.ShardOf(request(name))); ok {
			n++
		}
	}
	return n
}

func names(objects int) (all []string) {
	for _, r := range requests(objects) {
		all = append(all, "c"+r.Name[len("object-"):])
	}
	return all
}

func TestReplicasShareTheRequestsAndOnlyWhatMovesIsRepeated(t *testing.T) {
	for name, o := range queues {
		t.Run(name, func(t *testing.T) {
			const objects = 200
			inFleet(t, 16, objects, func(f *fleet) {
				f.takes = 5 * time.Millisecond
				a, b, c := f.replica("a", o), f.replica("b", o), f.replica("c", o)
				repeated := func(when string, want int, ships ...*ship) {
					t.Helper()
					pass(2 * time.Second)
					if got := f.reconciles(); got != want {
						t.Errorf("%s: %d reconciles, want %d", when, got, want)
					}
					f.check(when, ships...)
				}
				a.launch()
				f.until(time.Second, a)
				repeated("a is alone", objects, a)
				b.launch()
				f.until(500*time.Millisecond, a, b)
				repeated("b has joined", b.mine(objects), a, b)
				c.launch()
				f.until(500*time.Millisecond, a, b, c)
				repeated("c has joined", c.mine(objects), a, b, c)
				moving := b.mine(objects)
				if err := b.stop(); err != nil {
					t.Errorf("b: %v", err)
				}
				f.until(500*time.Millisecond, a, c)
				repeated("b has left", moving, a, c)
				moving = c.mine(objects)
				c.client.Partition()
				f.until(15*time.Second+600*time.Millisecond, a)
				repeated("c is cut off", moving, a)
				c.client.Heal()
				f.until(10*time.Second, a, c)
				repeated("c is back", c.mine(objects), a, c)
				for _, s := range []*ship{a, c} {
					if s.run.returned() {
						t.Errorf("%s has ended", s.name)
					}
					if err := s.stop(); err != nil {
						t.Errorf("%s: %v", s.name, err)
					}
				}
			})
		})
	}
}

// Its shards would have nobody to serve them until then. And what its sources are told first would be reconciled twice,
// since each shard that a replica gets is replayed.
func TestAReplicaTakesShardsWhenItsControllersAreWarm(t *testing.T) {
	const objects = 200
	inFleet(t, 16, objects, func(f *fleet) {
		f.takes = 5 * time.Millisecond
		a := f.replica("a", controller.Options{}).launch()
		f.until(time.Second, a)
		f.late = 3 * time.Second
		b := f.replica("b", controller.Options{}).launch()
		pass(f.late - time.Millisecond)
		if held := len(b.Shards().Held()); held > 0 || len(a.Shards().Held()) != f.n {
			t.Errorf("a replica that has no objects yet has %d shards", held)
		}
		f.reconciles()
		f.until(500*time.Millisecond, a, b)
		pass(2 * time.Second)
		if got := f.reconciles(); got != b.mine(objects) {
			t.Errorf("%d reconciles, want %d", got, b.mine(objects))
		}
		f.check("b is warm", a, b)
		for _, s := range []*ship{a, b} {
			if err := s.stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAnEventIsReconciledOnceByTheReplicaThatHasItsShard(t *testing.T) {
	inFleet(t, 16, 50, func(f *fleet) {
		a, b := f.replica("a", controller.Options{}).launch(), f.replica("b", controller.Options{}).launch()
		f.until(time.Second, a, b)
		pass(time.Second)
		f.reconciles()
		for _, name := range names(100) { // half of which are new
			f.objects.Modify(configMap(name))
		}
		pass(time.Second)
		if got := f.reconciles(); got != 100 {
			t.Errorf("%d reconciles of 100 events", got)
		}
		f.check("after events", a, b)
		for _, s := range []*ship{a, b} {
			if err := s.stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

// A replica that kept requests of other shards would reconcile a hundred objects that are gone when it gets the shards.
func TestNoReplicaCollectsRequestsOfOtherShards(t *testing.T) {
	inFleet(t, 16, 10, func(f *fleet) {
		a, b := f.replica("a", controller.Options{}).launch(), f.replica("b", controller.Options{}).launch()
		f.until(time.Second, a, b)
		pass(time.Second)
		for _, name := range names(110)[10:] {
			f.objects.Add(configMap(name))
			pass(time.Millisecond)
			f.objects.Delete(configMap(name))
		}
		pass(time.Second)
		for _, s := range []*ship{a, b} {
			for _, q := range s.gate.tenures.all() {
				if _, n := q.waiting(); n != 0 {
					t.Errorf("%s keeps %d requests", s.name, n)
				}
			}
		}
		f.reconciles()
		moving := a.mine(10)
		if err := a.stop(); err != nil {
			t.Error(err)
		}
		f.until(time.Second, b)
		pass(time.Second)
		if got := f.reconciles(); got != moving {
			t.Errorf("%d reconciles of the %d objects that there are", got, moving)
		}
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAShardMovesOnlyWhenItsRequestHasReturned(t *testing.T) {
	inFleet(t, 4, 40, func(f *fleet) {
		f.takes = 20 * time.Second // longer than the lease
		o := controller.Options{MaxConcurrentReconciles: 40}
		a, b := f.replica("a", o).launch(), f.replica("b", o)
		pass(time.Second)
		b.launch()
		pass(15 * time.Second)
		if held := len(b.Shards().Held()); held != 0 {
			t.Errorf("b has %d shards while a works on all", held)
		}
		f.until(6*time.Second, a, b)
		for _, s := range []*ship{a, b} {
			if err := s.stop(); err != nil {
				t.Error(err)
			}
		}
	})
}
