// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-elector/elector/test/harness"
)

// Requests a minute about the Lease in a fault that lasts, at the default durations.
const (
	standbyLimit   = 20
	forbiddenLimit = 4 // where nothing is permitted
	leaderLimit    = 32
)

// A lastingFault is what one replica's requests get for minutes.
type lastingFault struct {
	status int
	verbs  string // those that fail; "" for all
	limit  int    // requests a minute
}

// lastingFaults are those of the leader, whose writes succeed, and of three standbys.
var lastingFaults = [][]lastingFault{
	{
		{http.StatusForbidden, watchVerb, leaderLimit},
		{http.StatusForbidden, "", forbiddenLimit},
		{http.StatusTooManyRequests, "", standbyLimit},
		{http.StatusInternalServerError, "", standbyLimit},
	},
	{
		{http.StatusInternalServerError, watchVerb + " " + http.MethodGet, leaderLimit},
		{http.StatusForbidden, watchVerb, standbyLimit},
		{http.StatusNotFound, "", standbyLimit},
		{http.StatusConflict, "", standbyLimit},
	},
}

func (f lastingFault) String() string {
	return fmt.Sprintf("%d to %s", f.status, cmp.Or(f.verbs, "everything"))
}

func (f lastingFault) affected() []string {
	return strings.Fields(cmp.Or(f.verbs, strings.Join([]string{watchVerb, http.MethodGet, http.MethodPost, http.MethodPut}, " ")))
}

// answer has a message by which the log can be seen to name this fault and no other.
func (f lastingFault) answer() answer {
	a := answer{status: f.status, message: "chaos answers " + f.String()}
	if f.status == http.StatusTooManyRequests {
		a.retryAfter = time.Second
	}
	return a
}

// playLasting is row 42.
func playLasting(s *stage) error {
	for _, faults := range lastingFaults {
		if err := s.lasts(faults); err != nil {
			return err
		}
	}
	heal, err := s.befall(forbidden, nil)
	if err != nil {
		return err
	}
	all := map[*pod]lastingFault{}
	for _, p := range s.pods {
		all[p] = lastingFault{http.StatusForbidden, "", forbiddenLimit}
	}
	if err := s.rates(all); err != nil {
		return err
	}
	mark := s.mark()
	if err := heal(); err != nil {
		return err
	}
	back := time.Now()
	if next, ok := s.next(mark, 2*time.Minute); ok {
		s.within("restored → leads", max(0, next.At.Sub(back)), 2*s.timing.LeaseDuration)
	}
	return nil
}

// lasts plays faults on the leader, which must lead on, and on the standbys.
func (s *stage) lasts(faults []lastingFault) error {
	leader, err := s.leaderPod()
	if err != nil {
		return err
	}
	mark, of := s.mark(), map[*pod]lastingFault{leader: faults[0]}
	for _, p := range s.pods {
		if p != leader {
			of[p] = faults[len(of)]
		}
		s.note(occurrence{Kind: fault, Replica: p.name, Detail: of[p].String()})
		p.gateway.last(of[p].answer(), of[p].affected()...)
		p.link.Reset() // ends the watch
	}
	if err := s.rates(of); err != nil {
		return err
	}
	for p, f := range of {
		text, err := p.log()
		if err != nil {
			return err
		}
		s.must(p.gateway.gave() == 0 || strings.Contains(text, f.answer().message), "the log of replica %s does not name %q", p.name, f.answer().message)
		p.gateway.last(answer{})
		s.note(occurrence{Kind: healed, Replica: p.name, Detail: f.String()})
	}
	return s.stays(mark, 2*s.timing.LeaseDuration)
}

// rates counts requests for a minute, after one in which candidates slow down.
func (s *stage) rates(of map[*pod]lastingFault) error {
	if err := harness.Pause(s.ctx, time.Minute); err != nil {
		return err
	}
	before := s.usages()
	if err := harness.Pause(s.ctx, time.Minute); err != nil {
		return err
	}
	sent := s.sent(before)
	for _, p := range s.pods {
		n := 0
		for process, requests := range sent {
			if process.replica == p.name {
				n += requests
			}
		}
		what := fmt.Sprintf("%s (≤ %d): requests/min of replica %s", of[p], of[p].limit, p.name)
		s.count(what, n)
		s.must(n <= of[p].limit, "%s: %d", what, n)
	}
	return nil
}

// janitorPeriod is how often somebody deletes the Lease.
const janitorPeriod = 10 * time.Millisecond

// noiseLimit is how many lines a replica may log in a minute, and how many Events there may be.
const noiseLimit = 10

// playJanitor is row 43.
func playJanitor(s *stage) error {
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	swept := make(chan error, 1)
	go func() { swept <- s.sweep(ctx) }()
	if err := harness.Pause(s.ctx, time.Minute); err != nil { // in which candidates slow down
		return err
	}
	mark := s.mark()
	before, err := s.noise()
	if err != nil {
		return err
	}
	if err := harness.Pause(s.ctx, time.Minute); err != nil {
		return err
	}
	terms := 0
	for _, e := range s.since(mark) {
		if e.Kind == leads {
			terms++
		}
	}
	s.count("terms in a minute", terms)
	after, err := s.noise()
	if err != nil {
		return err
	}
	for _, what := range slices.Sorted(maps.Keys(after)) {
		n := after[what] - before[what]
		s.count(what+" in a minute", n)
		s.must(n <= noiseLimit, "%d %s in a minute, %d at most", n, what, noiseLimit)
	}
	stop()
	return errors.Join(<-swept, s.settle())
}

// noise counts what replicas have logged and recorded so far.
func (s *stage) noise() (map[string]int, error) {
	all := map[string]int{"Events": 0}
	for _, p := range s.pods {
		text, err := p.log()
		if err != nil {
			return nil, err
		}
		all["lines logged by replica "+p.name] = strings.Count(text, "\n")
	}
	events, err := s.plane.Admin.EventsV1().Events(s.space).List(s.ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, e := range events.Items {
		n := 1
		if e.Series != nil {
			n = int(e.Series.Count)
		}
		all["Events"] += n
	}
	return all, nil
}

// sweep deletes the Lease whenever it is there, until ctx ends.
func (s *stage) sweep(ctx context.Context) error {
	for harness.Pause(ctx, janitorPeriod) == nil {
		sent := time.Now()
		err := s.plane.Admin.CoordinationV1().Leases(s.space).Delete(ctx, leaseName, metav1.DeleteOptions{})
		switch {
		case err == nil:
			s.note(occurrence{At: sent, Kind: fault, Replica: byHand, Detail: deleted.name})
			s.note(occurrence{At: time.Now(), Kind: healed, Replica: byHand, Detail: deleted.name})
		case ctx.Err() == nil && !apierrors.IsNotFound(err):
			return err
		}
	}
	return nil
}
