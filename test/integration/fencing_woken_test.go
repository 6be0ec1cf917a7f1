// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/manager/fencing"
)

// takeovers returns how many there are for each set of policies. FENCING_TAKEOVERS=300 in the environment yields more
// than 10,000 stale writes.
func takeovers(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv("FENCING_TAKEOVERS"), "20"))
	if err != nil || n < 1 {
		t.Fatalf("FENCING_TAKEOVERS: %q: must be a positive number", os.Getenv("FENCING_TAKEOVERS"))
	}
	return n
}

const (
	staleWriters    = 2  // of one former leader, at the same time
	staleWritesEach = 20 // after the takeover, and refused ones if there are policies
)

// staleWrite is one of a leader that has been replaced, or is being replaced.
type staleWrite struct {
	object  string
	version uint64 // which it was given, or 0 if it was refused
	refused fencing.Policy
	began   time.Time
}

// staleTally is what became of the stale writes.
type staleTally struct {
	tried         int           // accepted ones that follow the takeover, and refused ones
	afterTakeover int           // accepted after the write by which another pod took the Lease
	overNewer     int           // accepted after the new leader's first write of the object
	unsteady      int           // accepted after one of the same round was refused
	longest       time.Duration // how long after the takeover the last accepted one began
	lag           int           // writes of the new leader that were refused at first
}

func (s staleTally) String() string {
	return fmt.Sprintf("%6d tried, %6d accepted after the takeover (the last begun %v after it), %6d of them over a newer leader's; %d of new leaders refused at first",
		s.tried, s.afterTakeover, s.longest.Round(10*time.Microsecond), s.overNewer, s.lag)
}

// A leader is frozen with its writes half done. Another takes over. The first wakes and goes on writing, with no check
// of its own in between.
func TestWokenLeaderIsRefusedByTheAPIServer(t *testing.T) {
	n := takeovers(t)
	run := func(t *testing.T, policies ...fencing.Policy) staleTally {
		o := newOperator(t, restConfig, namespace(t), 2)
		o.takeOver(t, o.pods[0])
		if len(policies) > 0 {
			o.install(t, o.settings(policies...))
		}
		s := frozenLeaders(t, o, n)
		t.Logf("%d takeovers: %v", n, s)
		if want := n * staleWriters * staleWritesEach; s.tried < want {
			t.Errorf("%d stale writes were tried, want %d", s.tried, want)
		}
		return s
	}
	t.Run("no policy", func(t *testing.T) {
		if s := run(t); s.afterTakeover != s.tried || s.overNewer == 0 {
			t.Error("without policies stale writes were refused: the test has no former leader")
		}
	})
	t.Run("holder", func(t *testing.T) {
		// What is accepted comes before the API server has seen its own write of the Lease.
		if s := run(t, fencing.Holder); s.unsteady > 0 {
			t.Errorf("of %d stale writes %d were accepted after one had been refused", s.tried, s.unsteady)
		}
	})
	t.Run("epoch", func(t *testing.T) {
		if s := run(t, fencing.Epoch); s.overNewer > 0 || s.unsteady > 0 {
			t.Errorf("of %d stale writes %d were accepted over a newer leader's", s.tried, s.overNewer)
		}
	})
	t.Run("all policies", func(t *testing.T) {
		if s := run(t, fencing.Holder, fencing.Epoch, fencing.Guard); s.overNewer > 0 || s.unsteady > 0 {
			t.Errorf("of %d stale writes %d were accepted over a newer leader's", s.tried, s.overNewer)
		}
	})
}

// frozenLeaders makes two pods take the Lease from each other.
func frozenLeaders(t *testing.T, o *operator, n int) staleTally {
	var total staleTally
	objects := []string{"a", "b", "c"}
	for _, name := range objects {
		o.mustCreate(t, o.configMap(name))
	}
	token := o.takeOver(t, o.pods[1])
	for i := range n {
		if t.Failed() {
			break
		}
		before, after := o.pods[(i+1)%2], o.pods[i%2]
		for _, name := range objects {
			total.lag += insist(t, before, o.configMap(name), token)
		}
		token = frozenLeader(t, o, &total, before, after, token, objects)
	}
	return total
}

// frozenLeader plays one takeover. It returns the new leader's token.
func frozenLeader(t *testing.T, o *operator, total *staleTally, before, after *pod, token string, objects []string) string {
	var (
		writers sync.WaitGroup
		writes  [staleWriters][]staleWrite
		taken   = make(chan struct{})
	)
	for w := range writes {
		writers.Go(func() {
			deadline := time.Now().Add(patience)
			for left := staleWritesEach; left > 0; {
				if time.Now().After(deadline) {
					t.Errorf("not within %v: the refusal of %d more stale writes", patience, left)
					return
				}
				late := closed(taken) // One that began earlier may be accepted before the takeover.
				write := writeStale(t, before, o.configMap(objects[len(writes[w])%len(objects)]), token)
				writes[w] = append(writes[w], write)
				if late && (!o.fenced || write.version == 0) {
					left--
				}
			}
		})
	}
	wake := sync.OnceFunc(func() { close(taken) })
	defer writers.Wait()
	defer wake()
	next := o.takeOver(t, after)
	takenAt := time.Now()
	wake()
	firstWrites := map[string]uint64{}
	for _, name := range objects {
		object := o.configMap(name)
		total.lag += insist(t, after, object, next)
		firstWrites[name] = number(t, object.ResourceVersion)
	}
	writers.Wait()
	for w := range writes {
		total.count(writes[w], number(t, next), firstWrites, takenAt)
	}
	return next
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// count adds one writer's writes, which are in order.
func (s *staleTally) count(writes []staleWrite, takeover uint64, firstWrites map[string]uint64, takenAt time.Time) {
	refused := map[string]bool{}
	for _, w := range writes {
		switch {
		case w.version == 0:
			s.tried++
			refused[w.object] = true
		case w.version > takeover:
			s.tried++
			s.afterTakeover++
			s.longest = max(s.longest, w.began.Sub(takenAt))
			if refused[w.object] {
				s.unsteady++
			}
			if w.version > firstWrites[w.object] {
				s.overNewer++
			}
		}
	}
}

// writeStale writes with the old token and without a precondition.
func writeStale(t *testing.T, p *pod, object client.Object, token string) staleWrite {
	w := staleWrite{object: object.GetName(), began: time.Now()}
	patch := client.RawPatch(types.MergePatchType,
		fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}},"data":{"at":%q}}`, fencing.TokenAnnotation, token, w.began))
	err := p.Patch(context.Background(), object, patch)
	if err == nil {
		w.version = number(t, object.GetResourceVersion())
		return w
	}
	refusal, ok := fencing.RefusalOf(err)
	if !ok {
		t.Errorf("a stale write failed otherwise: %v", err)
	}
	w.refused = refusal.Policy
	return w
}

// insist writes as the rightful leader, which Holder may not know as such at once. It returns how often it was refused.
func insist(t *testing.T, p *pod, object client.Object, token string) (refused int) {
	t.Helper()
	eventually(t, "the leader's write to be accepted", func() bool {
		err := p.Patch(t.Context(), object, stamp(token))
		if refusal, _ := fencing.RefusalOf(err); err != nil && refusal.Policy != fencing.Holder {
			t.Fatalf("the leader's write: %v", err)
		}
		if err != nil {
			refused++
		}
		return err == nil
	})
	return refused
}
