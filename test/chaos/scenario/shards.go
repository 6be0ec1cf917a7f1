// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"slices"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/chaos/fault"
	"github.com/kube-elector/elector/test/chaos/stage"
)

const (
	shardCount  = 16
	shardedKeys = 48
)

// playSharded takes one replica of four away in each way that there is, and lets it come back.
func playSharded(s *stage.Stage) {
	for i := range shardedKeys {
		_, err := s.Plane.Admin.CoreV1().ConfigMaps(s.Namespace).Create(s.Ctx,
			&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("key-", i)}}, metav1.CreateOptions{})
		s.Check(err)
	}
	h := &holdings{Stage: s, held: map[string]map[string]bool{}}
	h.shared(s.Replicas)
	lapse := s.Timing.LeaseDuration + 600*time.Millisecond
	for i, f := range []stage.Fault{fault.Crash, fault.Freeze, fault.CutOff} {
		gone, rest := s.Replicas[i], slices.Delete(slices.Clone(s.Replicas), i, i+1)
		heal := s.Inject(f, gone)
		s.Within(f.Name+" → the others share its shards", h.shared(rest), lapse)
		heal()
		s.Show(stage.Figure{What: f.Name + ": back → balanced", Value: h.shared(s.Replicas)})
	}
	gone, rest := s.Replicas[3], s.Replicas[:3]
	s.Note(event.Event{Kind: event.Fault, Replica: gone.Name, Detail: fault.Stop.Name})
	s.Check(gone.Signal(syscall.SIGTERM))
	s.Within("told to stop → the others share its shards", h.shared(rest), 300*time.Millisecond)
	s.Check(gone.Stop(s.Ctx))
	s.Check(gone.Start())
	s.Note(event.Event{Kind: event.Healed, Replica: gone.Name, Detail: fault.Stop.Name})
	s.Show(stage.Figure{What: "a process starts → balanced", Value: h.shared(s.Replicas)})
	mark := s.Mark()
	for i := range shardedKeys {
		key := fmt.Sprint("key-", i)
		_, ok := s.Await(mark, stage.StartGrace, func(e event.Event) bool { return e.Kind == event.Reconciled && e.Detail == key })
		s.Must(ok, "%s is lost: nobody reconciles it", key)
	}
	events := s.Since(0)
	s.Count("shards moved", alone(s, events, event.Acquires, event.Loses))
	s.Count("reconciles", alone(s, events, event.Reconciles, event.Reconciled))
}

// holdings are the shards of the replicas, by their own reports.
type holdings struct {
	*stage.Stage
	read int // events of the journal
	held map[string]map[string]bool
}

// shared waits until the replicas share all shards, and returns how long that took.
func (h *holdings) shared(replicas []*stage.Replica) time.Duration {
	for began := time.Now(); ; h.Pause(2 * time.Millisecond) {
		h.catchUp()
		total, fewest, most := 0, shardCount, 0
		for _, r := range replicas {
			n := len(h.held[r.Name])
			total, fewest, most = total+n, min(fewest, n), max(most, n)
		}
		switch {
		case total == shardCount && most-fewest <= 1:
			return time.Since(began)
		case time.Since(began) > stage.StartGrace:
			h.Check(fmt.Errorf("after %v %d replicas hold %d shards, %d to %d each", stage.StartGrace, len(replicas), total, fewest, most))
		}
	}
}

func (h *holdings) catchUp() {
	events := h.Since(h.read)
	h.read += len(events)
	for _, e := range events {
		switch e.Kind {
		case event.Acquires:
			if h.held[e.Replica] == nil {
				h.held[e.Replica] = map[string]bool{}
			}
			h.held[e.Replica][e.Detail] = true
		case event.Loses:
			delete(h.held[e.Replica], e.Detail)
		case event.Exited:
			delete(h.held, e.Replica)
		}
	}
}

// turn is a time in which a process had a shard, reconciled a key, or was frozen.
type turn struct {
	from, to time.Time
	of       event.Process
}

// turns returns the turns of each shard or key that begin and end with these events, or with their process.
func turns(events []event.Event, begins, ends event.Kind) map[string][]turn {
	all, open := map[string][]turn{}, map[event.Process]map[string]time.Time{}
	for _, e := range events {
		p := e.Process()
		switch e.Kind {
		case begins:
			if open[p] == nil {
				open[p] = map[string]time.Time{}
			}
			open[p][e.Detail] = e.At
		case ends, event.Exited:
			for what, from := range open[p] {
				if e.Kind == event.Exited || what == e.Detail {
					all[what] = append(all[what], turn{from, e.At, p})
					delete(open[p], what)
				}
			}
		}
	}
	return all
}

// alone fails for each shard or key that two processes had at a time, and returns how many turns there were. A process
// that is frozen does nothing, nor does one that wakes up until it has found out how late it is.
func alone(s *stage.Stage, events []event.Event, begins, ends event.Kind) (n int) {
	slices.SortStableFunc(events, func(a, b event.Event) int { return a.At.Compare(b.At) })
	frozen := turns(events, event.Frozen, event.Thawed)[""]
	wake := 15*time.Millisecond + s.Stalls.Worst(s.Began, time.Now())
	for what, all := range turns(events, begins, ends) {
		n += len(all)
		for _, t := range slices.Clone(all) {
			for _, f := range frozen {
				if f.of == t.of && f.from.Before(t.to) && f.to.After(t.from) {
					all = slices.DeleteFunc(all, func(old turn) bool { return old == t })
					all = append(all, turn{t.from, f.from, t.of}, turn{f.to.Add(wake), t.to, t.of})
				}
			}
		}
		all = slices.DeleteFunc(all, func(t turn) bool { return !t.from.Before(t.to) })
		slices.SortFunc(all, func(a, b turn) int { return a.from.Compare(b.from) })
		for i := 1; i < len(all); i++ {
			a, b := all[i-1], all[i]
			s.Must(a.of == b.of || !a.to.After(b.from), "%s is %s's and %s's at once, at %v", what, a.of, b.of, b.from.Sub(s.Began))
		}
	}
	return n
}
