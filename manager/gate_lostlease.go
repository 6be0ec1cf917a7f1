// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kube-elector/elector/elector"
)

// past is what a Gate knows about the time since its first term began.
type past struct {
	begun    bool   // there was a term
	identity string // this replica's, in the last term
	ended    error  // the cause of the last term's end; nil in a term
	other    string // another replica that was seen to lead since the last term began
}

// resumed reports whether the term of ctx follows this process's own last one with nobody in between. An outage then
// was a pause: whatever reconcilers remember is still true.
func resumed(ctx context.Context) bool {
	term, ok := elector.TermFromContext(ctx)
	return ok && term.Resumed
}

// mayBeginLocked returns an error if what the controllers remember may be stale.
func (g *Gate) mayBeginLocked(resumed bool) error {
	switch {
	case !g.past.begun, !g.work.gated:
	case resumed:
		g.log.Info("the lease is held again, and no other replica has led meanwhile: work goes on where it stopped")
	case g.settings.reElection:
		g.log.Debug("leading again: every object is reconciled once more")
	default:
		return fmt.Errorf("%w: elected again, but another replica may have led meanwhile: %w", ErrLeadershipLost, g.past.ended)
	}
	return nil
}

// concludeLocked says what the end of a term means. It returns an error if it means the end of the process.
func (g *Gate) concludeLocked(cause error) error {
	g.past.ended = cause
	switch {
	case errors.Is(cause, elector.ErrStopped):
		return nil
	case len(g.reliance) > 0:
		return g.lostLocked()
	case g.past.other != "" || !errors.Is(cause, elector.ErrLeaseExpired):
		return g.succeededLocked() // no later term can follow this one with nobody in between
	case g.work.gated:
		g.log.Info("paused: requests are kept until the lease is held again", "err", cause)
	}
	return nil
}

// succeededLocked must be called when another replica leads after the last term, or may.
func (g *Gate) succeededLocked() error {
	if g.work.gated && !g.settings.reElection {
		return g.lostLocked()
	}
	if !g.divided() {
		g.listeners.deafen()
	}
	return nil
}

func (g *Gate) lostLocked() error {
	err := fmt.Errorf("%w: %w", ErrLeadershipLost, g.past.ended)
	if g.past.other != "" {
		err = fmt.Errorf("%w; %q leads now", err, g.past.other)
	}
	return err
}

// sawLeader ends a pause if another replica leads.
func (g *Gate) sawLeader(identity string) {
	g.mu.Lock()
	g.past.other = ""
	if identity != g.past.identity {
		g.past.other = identity
	}
	var err error
	if g.pausedLocked() && g.past.other != "" {
		err = g.succeededLocked()
	}
	g.mu.Unlock()
	if err != nil {
		g.fail(err)
	}
}

// pausedLocked reports whether a term has ended, and the Gate has not.
func (g *Gate) pausedLocked() bool {
	return g.past.ended != nil && !errors.Is(g.past.ended, elector.ErrStopped) && !g.closed
}

// rely notes that somebody relies on this process's ending when it no longer leads.
func (g *Gate) rely(why string) {
	g.mu.Lock()
	var err error
	if g.relyLocked(why) && g.pausedLocked() {
		err = g.lostLocked() // it must not believe that it leads in a pause
	}
	g.mu.Unlock()
	if err != nil {
		g.fail(err)
	}
}

// relyLocked reports whether that is news.
func (g *Gate) relyLocked(why string) bool {
	if slices.Contains(g.reliance, why) {
		return false
	}
	g.reliance = append(g.reliance, why)
	if len(g.reliance) == 1 && g.life != nil {
		g.sayRuleLocked()
	}
	return true
}

// sayRuleLocked logs what a lost lease will do to this process, and why, unless the log says so.
func (g *Gate) sayRuleLocked() {
	rule, why := g.ruleLocked()
	if g.unelected || rule+why == g.said {
		return
	}
	g.said = rule + why
	g.log.Info(rule, "because", why)
}

func (g *Gate) ruleLocked() (rule, why string) {
	because := slices.Clone(g.reliance)
	for _, r := range g.work.once {
		because = append(because, describe(r)+" runs once")
	}
	switch {
	case len(because) > 0:
		return "a lost lease ends this process", strings.Join(because, ", ")
	case g.divided():
		return "a lost lease does not end this process", "each replica reconciles its shards, and nothing else relies on the leadership"
	case !g.work.gated:
		return "a lost lease does not end this process", "nothing in it relies on that"
	case g.settings.reElection:
		return "a lost lease does not end this process", "WithReElection is set"
	}
	return "a lost lease pauses this process, and ends it when another replica has led",
		"what reconcilers remember may be stale then: see WithReElection"
}

// WithReElection keeps the process when another replica has led in between: its controllers go on in its next term,
// which begins with an event for every object that their sources watch. It is for operators whose reconcilers remember
// nothing between requests. Without it, Start returns [ErrLeadershipLost] as soon as another leader is seen.
func WithReElection() Option {
	return func(s *settings) { s.reElection = true }
}

// WithColdStandby makes controllers start their sources at the first election, as controller-runtime's do. By default a
// standby has its caches and sources ready, unless a controller's own EnableWarmup says otherwise. A standby that is
// cold needs less memory, makes fewer watches and polls, and does not notice what it lacks, such as a CRD. It takes
// over more slowly.
func WithColdStandby() Option {
	return func(s *settings) { s.cold = true }
}

// WithElectedAsProbe says that callers of [Manager.Elected] only look at the channel, as a readiness check does, and do
// nothing that must end when this replica no longer leads. Without it, the first call of Elected makes every lost lease
// end the process at once, because the channel stays closed.
func WithElectedAsProbe() Option {
	return func(s *settings) { s.electedAsProbe = true }
}
