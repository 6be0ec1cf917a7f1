// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/kube-elector/elector/elector"
)

var fleetSteps = flag.Int("shards.steps", 60, "steps of the model of a sharded operator")

// voyage is a fleet that things happen to at random.
type voyage struct {
	*fleet
	rand    *rand.Rand
	o       controller.Options
	ships   []*ship
	cut     map[*ship]bool // from the API server for Leases
	named   int
	objects int
	there   map[string]bool
}

// step lets one thing happen.
func (v *voyage) step() {
	switch n := v.rand.IntN(12); {
	case n < 2 && len(v.ships) < 4:
		v.named++
		v.ships = append(v.ships, v.replica(fmt.Sprint("r", v.named), v.o).launch())
		pass(time.Second) // controller-runtime spins when it is stopped while it starts
	case n < 3 && len(v.ships) > 2:
		v.leave(v.rand.IntN(len(v.ships)))
	case n < 5:
		s := v.ships[v.rand.IntN(len(v.ships))]
		if v.cut[s] = !v.cut[s]; v.cut[s] {
			s.client.Partition()
		} else {
			s.client.Heal()
		}
	default:
		v.change(1 + v.rand.IntN(20))
	}
	d := []time.Duration{time.Millisecond, 50 * time.Millisecond, time.Second, 10 * time.Second}[v.rand.IntN(4)]
	pass(time.Duration(v.rand.Int64N(int64(d))))
}

func (v *voyage) leave(i int) {
	s := v.ships[i]
	v.ships = append(v.ships[:i:i], v.ships[i+1:]...)
	if err := s.stop(); err != nil && !(v.cut[s] && errors.Is(err, elector.ErrDrainTimeout)) {
		v.t.Errorf("%s: Start: %v", s.name, err)
	}
	s.client.Heal()
}

// change creates, changes and deletes objects.
func (v *voyage) change(n int) {
	for range n {
		name := fmt.Sprint("c", v.rand.IntN(v.objects))
		switch {
		case !v.there[name]:
			v.fleet.objects.Add(configMap(name))
			v.there[name] = true
		case v.rand.IntN(4) == 0:
			v.fleet.objects.Delete(configMap(name))
			delete(v.there, name)
		default:
			v.fleet.objects.Modify(configMap(name))
		}
	}
}

// Whatever happens to the replicas, no key is reconciled by two of them, and when all is quiet each object has been
// reconciled as it is by the replica that has its shard, in the present term of that.
func TestFleetReconcilesEverythingAndNothingTwiceAtATime(t *testing.T) {
	for name, o := range queues {
		seed := rand.Uint64()
		t.Run(name, func(t *testing.T) {
			const objects = 60
			inFleet(t, 8, objects, func(f *fleet) {
				f.takes = 5 * time.Millisecond
				v := &voyage{fleet: f, rand: rand.New(rand.NewPCG(seed, 3)), o: o, cut: map[*ship]bool{}, objects: objects, there: map[string]bool{}}
				for _, name := range names(objects) {
					v.there[name] = true
				}
				for range 2 {
					v.named++
					v.ships = append(v.ships, f.replica(fmt.Sprint("r", v.named), o).launch())
				}
				pass(time.Second)
				for range *fleetSteps {
					v.step()
				}
				for _, s := range v.ships {
					s.client.Heal()
				}
				v.until(time.Minute, v.ships...) // a watch may be 30 s in coming back, and then a session must lapse
				pass(time.Second)
				v.check(fmt.Sprint("seed ", seed), v.ships...)
				t.Logf("seed %d: %v, %d replicas, %d reconciles", seed, time.Since(f.began), v.named, f.reconciles())
				for len(v.ships) > 0 {
					v.cut = map[*ship]bool{}
					v.leave(0)
				}
			})
		})
	}
}
