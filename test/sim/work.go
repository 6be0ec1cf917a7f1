// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"errors"
	"time"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/test/history"
)

// work does the leader's work. At intervals it checks whether its term still lasts, as the term's client does before a
// write, and writes to the store. When its context has ended it goes on for a while. In a voluntary end it still
// checks, since it leads on. Otherwise it acts without a check for as long as it is allowed to.
func (p *process) work(ctx context.Context, token elector.Token, certain func() bool) {
	p.tell(history.Event{Kind: history.TermStarted, Token: string(token)})
	for p.wait(ctx, p.seat.Act) {
		if p.midWrite() {
			p.act(token) // it had looked before it was frozen
		}
		if ctx.Err() != nil {
			break
		}
		if certain() {
			p.act(token)
		}
	}
	cause := cause(ctx)
	p.tell(history.Event{Kind: history.TermCancelled, Token: string(token), Cause: cause})
	p.wind(token, cause == history.CauseStopped || cause == history.CauseSteppedDown, certain)
	p.tell(history.Event{Kind: history.WorkReturned, Token: string(token)})
}

// wind does what the work does after its context has ended. Work that was frozen meanwhile does nothing more, unless it
// is stuck. Then it acts for as long as the process lives.
func (p *process) wind(token elector.Token, voluntary bool, certain func() bool) {
	length, blind := p.drain(voluntary)
	for end := time.Now().Add(length); time.Until(end) > 0; {
		if !p.wait(context.Background(), min(p.seat.Act, time.Until(end))) {
			return
		}
		switch {
		case voluntary && certain():
			p.record(history.Event{Kind: history.Leading})
			p.act(token)
		case p.ignores():
			p.act(token)
		case !voluntary && blind && time.Until(end) >= 0:
			p.act(token)
		}
	}
}

// serve does what a replica does beside the leader's work, such as a webhook. At intervals it takes a hold of the term,
// if there is one, and writes for as long as Remaining said.
func (p *process) serve(current func() (elector.Term, bool)) {
	for p.wait(context.Background(), p.seat.Serve) {
		term, ok := current()
		if !ok {
			continue
		}
		release, ok := term.Hold()
		if !ok {
			continue
		}
		hold := history.Event{Kind: history.HoldTaken, Token: string(term.Token)}
		p.record(hold)
		for end := time.Now().Add(min(p.seat.Serve/2, term.Remaining())); time.Until(end) > 0; {
			p.write(history.Served, term.Token)
			if !p.wait(context.Background(), min(p.seat.Act, time.Until(end))) {
				break
			}
		}
		hold.Kind = history.HoldGiven
		p.record(hold)
		release()
	}
}

func (p *process) stopped() { p.tell(history.Event{Kind: history.TermStopped}) }

// cause returns why the context has ended, if it has. The process may have ended instead.
func cause(ctx context.Context) string {
	switch err := context.Cause(ctx); {
	case errors.Is(err, elector.ErrStopped):
		return history.CauseStopped
	case errors.Is(err, elector.ErrSteppedDown):
		return history.CauseSteppedDown
	case err != nil:
		return err.Error()
	}
	return ""
}

// wait waits for d or until the context has ended, and then while the process is frozen. It returns false when the
// process has ended.
func (p *process) wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-p.exit:
	}
	p.link.gate()
	select {
	case <-p.exit:
		return false
	default:
		return true
	}
}

// act writes once. No time passes between the look at the term and this, unless the process was frozen there.
func (p *process) act(token elector.Token) { p.write(history.Acted, token) }

func (p *process) write(kind history.Kind, token elector.Token) {
	p.seat.w.store.Write(token, func(ok bool) {
		p.record(history.Event{Kind: kind, Token: string(token), OK: ok})
	})
}

// midWrite reports, once, that the process was frozen between a look and a write.
func (p *process) midWrite() (mid bool) {
	p.set(func(p *process) { mid, p.mid = p.mid, false })
	return mid
}

// ignores reports whether the work goes on whatever happens.
func (p *process) ignores() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stuck && !p.slow
}

// drain returns how long the work takes to end, and whether it acts in an involuntary end.
func (p *process) drain(voluntary bool) (d time.Duration, blind bool) {
	d = p.seat.drainTime()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.hog, p.stuck:
		return 1000 * time.Hour, false
	case voluntary:
		p.drained = max(p.drained, d)
		return d, false
	}
	return min(d, (p.timing.LeaseDuration-p.timing.RenewDeadline)*9/10), !p.slow
}
