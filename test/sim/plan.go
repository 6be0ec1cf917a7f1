// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/test/history"
)

// Timing is the configuration of an election.
type Timing struct{ LeaseDuration, RenewDeadline, RetryPeriod time.Duration }

func (t Timing) String() string {
	return fmt.Sprintf("%v/%v/%v", t.LeaseDuration.Seconds(), t.RenewDeadline.Seconds(), t.RetryPeriod.Seconds())
}

// timings are those of Kubernetes' own components, of OpenShift's, one between, a fast one, and the longest that was
// published for a production system. Seeds take them in turn.
var timings = []Timing{
	{15 * time.Second, 10 * time.Second, 2 * time.Second},
	{60 * time.Second, 40 * time.Second, 5 * time.Second},
	{137 * time.Second, 107 * time.Second, 26 * time.Second},
	{3 * time.Second, 2 * time.Second, 500 * time.Millisecond},
	{270 * time.Second, 240 * time.Second, 60 * time.Second},
}

// hour is a client-go leader's lease that is longer than MaxLeaseDuration.
var hour = Timing{time.Hour, 50 * time.Minute, 15 * time.Minute}

// Replica is one contender for the Lease. Its processes come one after the other.
type Replica struct {
	Name  string
	Plain bool // client-go's LeaderElector as it is
	// Identity is that of all its processes. If it is "", each has its own.
	Identity string
	// Timings are those of its processes, in turn.
	Timings []Timing
	// Slow is how much slower its clock is than those of the others. A second of its RenewDeadline takes Slow seconds.
	Slow float64
	// Clone is the number of a process image. Processes of one number begin with the same memory.
	Clone   int
	Act     time.Duration // from one act of its work to the next
	Drain   time.Duration // how long its work takes to end
	Release bool          // ReleaseOnCancel
	Shards  int           // how many it counts, 0 in an election
	Serve   time.Duration // between two requests that are served under a hold, or 0 for none
	Detect  bool          // it has crash detection
}

// Plan is all that a seed decides.
type Plan struct {
	Seed     uint64
	Timing   Timing
	Length   time.Duration
	Distance time.Duration // what a request takes at most when all is well
	Replicas []Replica
	Faults   []Fault
	Grace    time.Duration // of crash detection, as configured
}

// Mix is what plans are drawn from.
type Mix struct {
	Kinds   []Kind   // of faults
	Timings []Timing // taken in turn by seed
	Plain   Share
	Odd     bool          // changed durations, slow clocks and duplicate identities, too
	Later   bool          // cloned processes and an hour's lease, too; older seeds have their plans without
	Far     time.Duration // the Distance at most
	Keep    bool          // nobody has ReleaseOnCancel
	Twins   bool          // the first two have one identity
	Detect  bool          // crash detection in most plans, drawn beside all else; older seeds have their plans without
	Quiet   bool          // of shards: long plans have long times in which nothing happens
}

// Share is how many replicas are of plain client-go.
type Share int

// None, some in a third of the plans, or all.
const (
	NonePlain Share = iota
	SomePlain
	AllPlain
)

// Everything returns the mix of a usual run.
func Everything() Mix {
	return Mix{Kinds: Kinds(), Timings: timings, Plain: SomePlain, Odd: true, Later: true, Far: 40 * time.Millisecond}
}

// NewPlan draws the seed's plan.
func NewPlan(seed uint64, mix Mix) *Plan {
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a seed must give the same plan again
	p := &Plan{Seed: seed, Timing: mix.Timings[seed%uint64(len(mix.Timings))]}
	p.drawReplicas(r, mix)
	lease := float64(p.Timing.LeaseDuration)
	at := time.Duration(lease)
	for range 10 + r.IntN(30) {
		// Faults come in storms, one upon the other, with quiet between them.
		gap := r.ExpFloat64() * 0.4
		if r.IntN(3) == 0 {
			gap = 4 + 6*r.Float64()
		}
		at += time.Duration(lease * gap).Round(time.Microsecond)
		f := drawFault(r, p, mix.Kinds)
		f.At = at
		p.Faults = append(p.Faults, f)
		if slices.Contains(lasting, f.Kind) && r.IntN(4) > 0 {
			at += f.For // mostly there is nothing else meanwhile
		}
		p.Length = max(p.Length, at+10*p.Timing.LeaseDuration, f.At+f.For+5*p.Timing.LeaseDuration)
	}
	if mix.Detect {
		p.drawDetection(rand.New(rand.NewPCG(seed, 3)), mix) //nolint:gosec // as above
	}
	return p
}

// drawDetection gives replicas crash detection, and adds faults of it to the plan.
func (p *Plan) drawDetection(r *rand.Rand, mix Mix) {
	share := r.IntN(5) // of five plans three have it everywhere, one has it in places, one has not
	for i := range p.Replicas {
		one := &p.Replicas[i]
		one.Detect = !one.Plain && (share < 3 || share == 3 && r.IntN(2) == 0)
	}
	switch r.IntN(4) {
	case 0: // the default
	case 1:
		p.Grace = elector.MinDuration + upTo(r, p.Timing.LeaseDuration)
	default:
		p.Grace = -1
	}
	for range 3 + r.IntN(10) {
		kind := ofPods[r.IntN(len(ofPods))]
		if share == 4 || !slices.Contains(mix.Kinds, kind) && len(mix.Kinds) < len(weights) {
			continue
		}
		f := p.drawRest(r, Fault{Kind: kind, N: r.IntN(1000)})
		f.At = p.Timing.LeaseDuration + time.Duration(r.Int64N(int64(p.Length-6*p.Timing.LeaseDuration)))
		p.Faults = append(p.Faults, f)
	}
	slices.SortStableFunc(p.Faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
}

// grace returns the shortest Grace of a process, by the bubble's clock.
func (p *Plan) grace(shortest time.Duration) time.Duration {
	if p.Grace != 0 {
		return max(0, p.Grace)
	}
	return shortest
}

func (p *Plan) drawReplicas(r *rand.Rand, mix Mix) {
	if mix.Far > 0 && r.IntN(2) == 0 {
		p.Distance = upTo(r, mix.Far)
	}
	n := 2 + r.IntN(3)
	if r.IntN(5) == 0 {
		n = 5 + r.IntN(3)
	}
	lease := float64(p.Timing.LeaseDuration)
	mixed := mix.Plain == SomePlain && r.IntN(3) == 0
	odd := 0
	if mix.Odd {
		odd = r.IntN(8)
	}
	later := -1
	if mix.Later {
		later = r.IntN(12)
	}
	serve := time.Duration(0)
	if mix.Later && r.IntN(4) == 0 {
		serve = p.Timing.RenewDeadline/2 + upTo(r, 4*p.Timing.RenewDeadline)
	}
	fixed, release := r.IntN(3) == 0, r.IntN(4) > 0 && !mix.Keep
	for i := range n {
		name := string(rune('a' + i))
		one := Replica{
			Name: name, Slow: 1, Release: release,
			Plain:   mix.Plain == AllPlain || mixed && i > 0 && r.IntN(2) == 0,
			Timings: []Timing{p.Timing},
			Act:     p.Timing.RetryPeriod/2 + upTo(r, p.Timing.RetryPeriod),
		}
		if !one.Plain {
			one.Serve = serve
		}
		if fixed {
			one.Identity = name
		}
		switch {
		case one.Plain:
		case odd == 1 || odd == 2:
			// A clock 10 % slow beside one 10 % fast is 22 % slower.
			one.Slow = 0.82 + 0.4*r.Float64()
			if most := 0.97 * lease / float64(p.Timing.RenewDeadline); one.Slow > most {
				one.Slow = most // any slower, and nothing is promised
			}
		case odd == 3:
			one.Timings = append(one.Timings, mix.Timings[r.IntN(len(mix.Timings))])
			if r.IntN(2) == 0 {
				slices.Reverse(one.Timings)
			}
		case odd == 4 && i < 2:
			one.Identity = "same"
		}
		if mix.Twins && i < 2 {
			one.Identity = "same"
		}
		one.drawLater(later, i, mix)
		if r.IntN(3) == 0 {
			one.Drain = upTo(r, p.Timing.LeaseDuration)
		}
		p.Replicas = append(p.Replicas, one)
	}
}

// drawLater makes the ith replica one of the kinds that were added later.
func (r *Replica) drawLater(later, i int, mix Mix) {
	switch {
	case later == 0 && i < 2 && !r.Plain:
		r.Identity, r.Clone = "same", 1
	case later == 1 && i == 0 && mix.Plain == SomePlain:
		r.Plain, r.Timings, r.Slow, r.Identity, r.Serve = true, []Timing{hour}, 1, "", 0
	}
}

// drainTimeout returns that of all processes. All work that ends does so earlier.
func (p *Plan) drainTimeout() time.Duration { return 2 * p.Timing.LeaseDuration }

// on returns the timing of a process on its replica's clock, as the bubble's clock measures it.
func (r Replica) on(t Timing) Timing {
	scale := func(d time.Duration) time.Duration { return time.Duration(float64(d) * r.Slow) }
	return Timing{t.LeaseDuration, scale(t.RenewDeadline), scale(t.RetryPeriod)}
}

// limits returns what the invariants need to know of the plan.
func (p *Plan) limits() history.Limits {
	l := history.Limits{
		RetryPeriod: p.Timing.RetryPeriod, Unnamed: p.Timing.LeaseDuration, MaxLease: elector.MaxLeaseDuration,
		Notice: 50 * time.Millisecond, Wake: 15 * time.Millisecond,
		RequestBurst: 40, RequestsPerTry: 6,
		Nil: true,
	}
	retry, shortest := time.Duration(0), time.Hour
	for _, r := range p.Replicas {
		for _, t := range r.Timings {
			t = r.on(t)
			if t == hour { // nothing is asked of it, but that it is waited for
				l.LeaseDuration = max(l.LeaseDuration, t.LeaseDuration)
				continue
			}
			l.Unnamed = min(l.Unnamed, t.LeaseDuration)
			l.LeaseDuration = max(l.LeaseDuration, t.LeaseDuration)
			l.RenewDeadline = max(l.RenewDeadline, t.RenewDeadline)
			l.RetryPeriod = min(l.RetryPeriod, t.RetryPeriod)
			l.Allowance = max(l.Allowance, t.LeaseDuration-t.RenewDeadline)
			shortest = min(shortest, t.LeaseDuration-t.RenewDeadline)
			retry = max(retry, t.RetryPeriod)
		}
	}
	l.Takeover = 5*retry + l.RenewDeadline
	l.Grace = p.grace(shortest)
	l.Crash = max(p.grace(l.Allowance), l.Grace) + 3*retry + time.Second
	l.BetweenTerms = 30 * time.Second
	l.Settle = 4*retry + l.RenewDeadline + l.LeaseDuration
	l.Leave = p.drainTimeout() + min(l.RenewDeadline/2, time.Second)
	// The figures of a RetryPeriod of 2 s. A shorter one may cost more.
	hurry := max(1, 2/l.RetryPeriod.Seconds())
	l.LeaderPerMinute, l.StandbyPerMinute, l.BarredPerMinute = 32*hurry, 20*hurry, 4*hurry
	l.LinesPerMinute, l.TermsPerMinute = 10, 10
	return l
}

// String returns the plan for a reader.
func (p *Plan) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "seed %d, %v, %v, distance %v, grace %v\n", p.Seed, p.Timing, p.Length, p.Distance, p.Grace)
	for _, r := range p.Replicas {
		kind := "elector"
		if r.Plain {
			kind = "client-go"
		}
		fmt.Fprintf(&text, "  %s: %s identity=%q timings=%v slow=%.3f act=%v drain=%v release=%v serve=%v clone=%d shards=%d detect=%v\n",
			r.Name, kind, r.Identity, r.Timings, r.Slow, r.Act, r.Drain, r.Release, r.Serve, r.Clone, r.Shards, r.Detect)
	}
	for i, f := range p.Faults {
		fmt.Fprintf(&text, "  #%-3d %v\n", i, f)
	}
	return text.String()
}
