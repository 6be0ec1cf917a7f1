// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kube-elector/elector/test/history"
)

var (
	first    = flag.Uint64("sim.first", 1, "the first seed; 0 is whatever the clock says")
	seeds    = flag.Int("sim.seeds", 40, "how many seeds; 0 is as many as sim.minutes allows")
	minutes  = flag.Float64("sim.minutes", 0, "for how long, at most; 0 is for ever")
	seed     = flag.String("sim.seed", "", "replay this seed's plan, showing what happens; 12:3,7 has its faults 3 and 7 only")
	workers  = flag.Int("sim.workers", runtime.GOMAXPROCS(0), "how many runs at a time")
	plain    = flag.Bool("sim.plain", false, "all replicas are of plain client-go, and judged")
	shrink   = flag.Bool("sim.shrink", true, "shrink the plan of a seed that fails")
	patience = flag.Duration("sim.patience", time.Minute, "how long one seed may take before all goroutines are shown and that is it")
	goOn     = flag.Bool("sim.goon", false, "go on after a seed that fails")
	sharded  = flag.Bool("sim.shards", false, "replicas share shards, instead of electing a leader")
	quiet    = flag.Bool("sim.quiet", true, "in long plans of shards, have long times in which nothing happens")
	keep     = flag.String("sim.keep", "", "a directory for the whole history of each seed that fails, which may not fail again")
	only     = flag.String("sim.kinds", "", "draw faults of these kinds only, such as stuck,deaf, and no odd replicas")
)

func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(1600) // a run's history is garbage all at once
	goleak.VerifyTestMain(m)
}

func mix() Mix {
	m := Everything()
	m.Quiet, m.Detect = *quiet, true
	if *plain {
		m.Plain = AllPlain
	}
	if *only != "" {
		m.Kinds, m.Odd, m.Later = nil, false, false
		for kind := range strings.SplitSeq(*only, ",") {
			m.Kinds = append(m.Kinds, Kind(kind))
		}
	}
	return m
}

// plan returns the seed's plan.
func plan(seed uint64) *Plan {
	if *sharded {
		return newSetPlan(seed, mix())
	}
	return NewPlan(seed, mix())
}

func run(t *testing.T, p *Plan) Result {
	t.Helper()
	if p.Replicas[0].Shards > 0 {
		return runSet(t, p)
	}
	return Run(t, p, *plain)
}

// TestSeeds runs the simulation. A plain go test runs a few seeds, and make sim runs many.
func TestSeeds(t *testing.T) {
	if *seed != "" {
		replay(t, *seed)
		return
	}
	if *first == 0 {
		*first = uint64(time.Now().Unix()) * 1_000_000
	}
	c := &campaign{next: *first, began: time.Now()}
	stop := make(chan struct{})
	var reporter sync.WaitGroup
	reporter.Go(func() { c.report(stop) })
	t.Run("", func(t *testing.T) {
		for range *workers {
			t.Run("worker", func(t *testing.T) {
				t.Parallel()
				c.work(t)
			})
		}
	})
	close(stop)
	reporter.Wait()
	fmt.Print(c.stats.Report(time.Since(c.began)))
}

// former returns the mix of older seeds.
func former() Mix {
	m := Everything()
	m.Kinds, m.Timings, m.Later = kinds(firstOfNew), timings[:4], false
	return m
}

// TestSeedsThatFoundBugs runs the plans that found the bugs in the README, two by way of the mutations that bring them
// back.
func TestSeedsThatFoundBugs(t *testing.T) {
	for _, seed := range []uint64{10, 133, 1795425920003991, 1795426211064700, 1795528145078004, 1795671475000116, 1795675467013691, 1795675946009595} {
		for _, v := range Run(t, NewPlan(seed, former()), false).Violations {
			t.Errorf("seed %d: %v", seed, v)
		}
	}
	for _, seed := range []uint64{
		420003113, 410006782, 420011893, 420012840, 610012861, 610013088, 640506562, 910004114,
		930000652, 930000764, 930003500, 930005144, 950000135, 961000878, 1250003208, 1500025939,
	} {
		for _, v := range Run(t, NewPlan(seed, Everything()), false).Violations {
			t.Errorf("seed %d: %v", seed, v)
		}
	}
}

// campaign is many seeds, one after the other, by several workers.
type campaign struct {
	began  time.Time
	failed atomic.Bool

	mu    sync.Mutex // guards all below
	next  uint64
	stats Stats
}

func (c *campaign) take() (seed uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := *seeds > 0 && c.next-*first >= uint64(*seeds) ||
		*minutes > 0 && time.Since(c.began).Minutes() > *minutes || c.failed.Load()
	seed = c.next
	c.next++
	return seed, !done
}

func (c *campaign) work(t *testing.T) {
	for {
		seed, ok := c.take()
		if !ok {
			return
		}
		p := plan(seed)
		stuck := time.AfterFunc(*patience, func() { panic(fmt.Sprintf("seed %d is stuck: %v", seed, p)) })
		r := run(t, p)
		stuck.Stop()
		c.mu.Lock()
		c.stats.Add(r.Stats)
		n := c.stats.Seeds
		c.mu.Unlock()
		if len(r.Violations) > 0 {
			c.failed.Store(!*goOn)
			t.Errorf("seed %d: %v", seed, r.Violations[0])
			// It is reported at once, since a run of hours may be ended before its end.
			fmt.Printf("FOUND by seed %d, the %dth: %s\n%s", seed, n, r.Violations[0].Invariant, explain(t, p, r))
		}
	}
}

// report prints a line every now and then.
func (c *campaign) report(stop <-chan struct{}) {
	ticker := time.NewTicker(15 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			c.mu.Lock()
			fmt.Println(c.stats.Line(time.Since(c.began)))
			c.mu.Unlock()
		case <-stop:
			return
		}
	}
}

// replay runs one seed, which may be followed by the faults to keep.
func replay(t *testing.T, what string) {
	number, only, some := strings.Cut(what, ":")
	seed, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		t.Fatalf("sim.seed: %q: must be a number: %v", what, err)
	}
	p := plan(seed)
	if some {
		var kept []Fault
		for i, f := range p.Faults {
			if slices.Contains(strings.Split(only, ","), strconv.Itoa(i)) {
				kept = append(kept, f)
			}
		}
		p.Faults = kept
	}
	r := run(t, p)
	fmt.Println(p)
	for _, e := range r.History {
		if e.Kind != history.Acted && e.Kind != history.Requests {
			fmt.Println(e)
		}
	}
	for _, v := range r.Violations {
		t.Error(v)
	}
}
