// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/kube-elector/elector/test/history"
)

// theatre is where scenarios are played.
type theatre struct {
	peer   string
	assets string
	dir    string // for results and evidence
	stalls *stalls
	keep   bool // the evidence of what passes, too
}

// replays is how often a scenario is played again whose stall was too long to say anything.
const replays = 1

// playOn plays a scenario. Where it does not pass while this machine stalled for more than a RetryPeriod, it says
// nothing, unless it is about safety: else it is played again.
func (t *theatre) playOn(ctx context.Context, p *plane, sc scenario, name string) result {
	for n := 0; ; n++ {
		r := t.playOnce(ctx, p, sc, name)
		r.Replays = n
		stalled := r.Stall > cmp.Or(sc.timing, quick).RetryPeriod && !r.unsafe
		if r.Verdict == passed || !stalled || n == replays || ctx.Err() != nil {
			return r
		}
	}
}

// playOnce plays a scenario once. The evidence stays unless it has passed; the timeline always does.
func (t *theatre) playOnce(ctx context.Context, p *plane, sc scenario, name string) result {
	began := time.Now()
	dir := filepath.Join(t.dir, "evidence", name)
	s, err := t.perform(ctx, p, sc, dir)
	r, h := s.conclude()
	r.Row, r.Name, r.Must, r.Took = sc.row, sc.name, sc.must, time.Since(began)
	switch {
	case err != nil:
		r.Verdict = broken
		r.Failures = append(r.Failures, err.Error())
	case len(r.Failures) > 0:
		r.Verdict = failed
	default:
		r.Verdict = passed
	}
	if r.Verdict == passed && !t.keep {
		err = os.RemoveAll(dir)
	} else {
		r.Evidence = dir
		p.wanted.Store(true)
		err = writeHistory(filepath.Join(dir, "history.jsonl"), h)
	}
	page := filepath.Join(t.dir, "timelines", name+".html")
	if err := errors.Join(err, writeTimeline(page, s, r)); err != nil {
		r.Failures = append(r.Failures, "evidence: "+err.Error())
	}
	return r
}

// perform plays the scenario on a stage, which has ended when it returns.
func (t *theatre) perform(ctx context.Context, p *plane, sc scenario, dir string) (*stage, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cleared := os.RemoveAll(dir)
	s, err := openStage(ctx, p, t.stalls, t.peer, dir, sc.setup)
	if err != nil {
		return s, errors.Join(err, cleared)
	}
	err = sc.play(s)
	for _, pod := range s.pods {
		err = errors.Join(err, pod.thaw(), pod.kill())
	}
	return s, errors.Join(err, s.close(), cleared)
}

func writeHistory(file string, h history.History) (err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // Anyone may read it.
		return err
	}
	f, err := os.Create(file) //nolint:gosec // Its name is ours.
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return h.Write(f)
}
