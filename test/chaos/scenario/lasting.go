// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/chaos/fault"
	"github.com/kube-elector/elector/test/chaos/replica"
	"github.com/kube-elector/elector/test/chaos/stage"
	"github.com/kube-elector/elector/test/harness"
	"github.com/kube-elector/elector/test/history"
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

// lastingFaults has the faults of the leader, whose writes succeed, and of three standbys.
var lastingFaults = [][]lastingFault{
	{
		{http.StatusForbidden, harness.WatchVerb, leaderLimit},
		{http.StatusForbidden, "", forbiddenLimit},
		{http.StatusTooManyRequests, "", standbyLimit},
		{http.StatusInternalServerError, "", standbyLimit},
	},
	{
		{http.StatusInternalServerError, harness.WatchVerb + " " + http.MethodGet, leaderLimit},
		{http.StatusForbidden, harness.WatchVerb, standbyLimit},
		{http.StatusNotFound, "", standbyLimit},
		{http.StatusConflict, "", standbyLimit},
	},
}

func (f lastingFault) String() string {
	return fmt.Sprintf("%d to %s", f.status, cmp.Or(f.verbs, "everything"))
}

func (f lastingFault) affected() []string {
	return strings.Fields(cmp.Or(f.verbs, strings.Join([]string{harness.WatchVerb, http.MethodGet, http.MethodPost, http.MethodPut}, " ")))
}

// answer returns an answer with a message that names this fault and no other, for the log to repeat.
func (f lastingFault) answer() stage.Answer {
	a := stage.Answer{Status: f.status, Message: "chaos answers " + f.String()}
	if f.status == http.StatusTooManyRequests {
		a.RetryAfter = time.Second
	}
	return a
}

func playLasting(s *stage.Stage) {
	for _, faults := range lastingFaults {
		last(s, faults)
	}
	heal := s.Inject(fault.Forbidden, nil)
	all := map[*stage.Replica]lastingFault{}
	for _, r := range s.Replicas {
		all[r] = lastingFault{http.StatusForbidden, "", forbiddenLimit}
	}
	rates(s, all)
	mark := s.Mark()
	heal()
	back := time.Now()
	if next, ok := s.Next(mark, 2*time.Minute); ok {
		s.Within("restored → leads", max(0, next.At.Sub(back)), 2*s.Timing.LeaseDuration)
	}
}

// last injects faults into the leader, which must lead on, and into the standbys.
func last(s *stage.Stage, faults []lastingFault) {
	leader := s.Leader().Of
	mark, of := s.Mark(), map[*stage.Replica]lastingFault{leader: faults[0]}
	for _, r := range s.Replicas {
		if r != leader {
			of[r] = faults[len(of)]
		}
		s.Note(event.Event{Kind: event.Fault, Replica: r.Name, Detail: of[r].String()})
		r.Gateway.Last(of[r].answer(), of[r].affected()...)
		r.Link.Reset() // ends the watch
	}
	rates(s, of)
	for r, f := range of {
		s.Must(r.Gateway.Gave() == 0 || strings.Contains(r.Log(), f.answer().Message), "the log of replica %s does not name %q", r.Name, f.answer().Message)
		r.Gateway.Last(stage.Answer{})
		s.Note(event.Event{Kind: event.Healed, Replica: r.Name, Detail: f.String()})
	}
	s.Stays(mark, 2*s.Timing.LeaseDuration)
}

// rates counts requests for a minute, after one in which candidates slow down.
func rates(s *stage.Stage, of map[*stage.Replica]lastingFault) {
	s.Pause(time.Minute)
	before := s.Usages()
	s.Pause(time.Minute)
	sent := s.Sent(before)
	for _, r := range s.Replicas {
		n := 0
		for process, requests := range sent {
			if process.Replica == r.Name {
				n += requests
			}
		}
		what := fmt.Sprintf("%s (≤ %d): requests/min of replica %s", of[r], of[r].limit, r.Name)
		s.Count(what, n)
		s.Must(n <= of[r].limit, "%s: %d", what, n)
	}
}

const (
	janitorPeriod = 10 * time.Millisecond // between two deletions of the Lease
	noiseLimit    = 10                    // lines that a replica may log in a minute, and Events
)

func playJanitor(s *stage.Stage) {
	ctx, stop := context.WithCancel(s.Ctx)
	var sweeping sync.WaitGroup
	var err error
	sweeping.Go(func() { err = sweep(ctx, s) })
	defer sweeping.Wait()
	defer stop()
	s.Pause(time.Minute) // Candidates slow down meanwhile.
	mark, before := s.Mark(), noise(s)
	s.Pause(time.Minute)
	s.Count("terms in a minute", s.CountSince(mark, event.Leads))
	after := noise(s)
	for _, what := range slices.Sorted(maps.Keys(after)) {
		n := after[what] - before[what]
		s.Count(what+" in a minute", n)
		s.Must(n <= noiseLimit, "%d %s in a minute, %d at most", n, what, noiseLimit)
	}
	stop()
	sweeping.Wait()
	s.Check(err)
	s.Settle()
}

// noise counts what replicas have logged and recorded so far.
func noise(s *stage.Stage) map[string]int {
	all := map[string]int{"Events": 0}
	for _, r := range s.Replicas {
		all["lines logged by replica "+r.Name] = strings.Count(r.Log(), "\n")
	}
	events, err := s.Plane.Admin.EventsV1().Events(s.Namespace).List(s.Ctx, metav1.ListOptions{})
	s.Check(err)
	for _, e := range events.Items {
		n := 1
		if e.Series != nil {
			n = int(e.Series.Count)
		}
		all["Events"] += n
	}
	return all
}

// sweep deletes the Lease again and again until ctx ends.
func sweep(ctx context.Context, s *stage.Stage) error {
	for harness.Pause(ctx, janitorPeriod) == nil {
		sent := time.Now()
		err := s.Leases().Delete(ctx, replica.LeaseName, metav1.DeleteOptions{})
		switch {
		case err == nil:
			s.Note(event.Event{At: sent, Kind: event.Fault, Replica: history.ByHand, Detail: fault.Deleted.Name})
			s.Note(event.Event{At: time.Now(), Kind: event.Healed, Replica: history.ByHand, Detail: fault.Deleted.Name})
		case ctx.Err() == nil && !apierrors.IsNotFound(err):
			return err
		}
	}
	return nil
}
