// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	discoveryclient "k8s.io/client-go/kubernetes/typed/discovery/v1"

	"github.com/kube-elector/elector/elector"
)

const (
	// sliceTimeout bounds one request about an EndpointSlice.
	sliceTimeout = 5 * time.Second
	// removalTimeout is how long the removal of an address is tried, and so how much it can delay a release.
	removalTimeout = 500 * time.Millisecond
	// sliceTries is how many versions in a row are met before there is a pause.
	sliceTries = 4
	// calm is how long an EndpointSlice must stay as it is before a repair comes at once again.
	calm = time.Minute
)

// errLaterTerm is returned for an EndpointSlice that a later leader has written.
var errLaterTerm = errors.New("a later leader has written the EndpointSlice")

// A publisher keeps one EndpointSlice: that of a Service and an IP family. Only the goroutine of keep writes it.
type publisher struct {
	client  discoveryclient.EndpointSliceInterface
	service leaderService
	family  discoveryv1.AddressType
	name    string
	log     *slog.Logger

	mu      sync.Mutex                 // guards all below
	known   bool                       // slice is what the API server has, as far as was seen
	slice   *discoveryv1.EndpointSlice // nil if there is none. It is never written to.
	changed chan struct{}              // closed when known or slice changes
}

func (p *publisher) last() (slice *discoveryv1.EndpointSlice, known bool, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slice, p.known, p.changed
}

// saw takes in the EndpointSlice, nil for none, as a reply or the watch shows it.
func (p *publisher) saw(slice *discoveryv1.EndpointSlice) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known && p.slice != nil && slice != nil {
		order, err := elector.Token(slice.ResourceVersion).Compare(elector.Token(p.slice.ResourceVersion))
		if err == nil && order <= 0 {
			return
		}
	}
	p.turnLocked(slice, true)
}

// forget makes the next write read the EndpointSlice before.
func (p *publisher) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turnLocked(nil, false)
}

func (p *publisher) turnLocked(slice *discoveryv1.EndpointSlice, known bool) {
	p.slice, p.known = slice, known
	close(p.changed)
	p.changed = make(chan struct{})
}

// keep makes the EndpointSlice name this replica until ctx, that of a term's work, ends. Then it removes the address,
// unless the API server cannot be reached.
func (p *publisher) keep(ctx context.Context, at place, token elector.Token) {
	pace, told, written := newPace(), false, time.Time{}
	for ctx.Err() == nil {
		_, _, changed := p.last()
		wrote, err := p.put(ctx, at, token, true)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			if !told {
				p.log.WarnContext(ctx, "the Service does not point at this leader: its EndpointSlice cannot be written", "err", err)
			}
			told = true
			if errors.Is(err, errLaterTerm) { // this one is about to end, or another Lease's leader has this Service
				<-ctx.Done()
			}
			pause(ctx, pace.Step())
			continue
		}
		if told {
			p.log.InfoContext(ctx, "the Service points at this leader")
			told = false
		}
		if wrote {
			if time.Since(written) > calm {
				pace = newPace()
			} else { // somebody else writes it, too
				pause(ctx, pace.Step())
			}
			written = time.Now()
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	if !errors.Is(context.Cause(ctx), elector.ErrLeaseExpired) {
		p.remove(ctx, at, token)
	}
}

// newPace returns the pauses between writes that fail, and between repairs.
func newPace() wait.Backoff {
	return wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.2, Cap: 30 * time.Second, Steps: 100}
}

// remove makes the EndpointSlice name nobody, within a time that a release may be delayed.
func (p *publisher) remove(ctx context.Context, at place, token elector.Token) {
	left, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), removalTimeout, errors.New("no time is left"))
	defer cancel()
	for {
		_, err := p.put(left, at, token, false)
		if err == nil || errors.Is(err, errLaterTerm) {
			return
		}
		if !pause(left, 50*time.Millisecond) {
			p.log.WarnContext(ctx, "the Service points at a former leader until the next one leads: its EndpointSlice cannot be written", "err", err)
			return
		}
	}
}

// vacate removes the address that a former leader may have left in the EndpointSlice of an IP family which this replica
// does not have. Nobody watches it.
func (p *publisher) vacate(ctx context.Context, at place, token elector.Token) {
	for pace, told := newPace(), false; ctx.Err() == nil; pause(ctx, pace.Step()) {
		err := p.tryVacate(ctx, at, token)
		if err == nil || errors.Is(err, errLaterTerm) {
			return
		}
		if ctx.Err() == nil && !told {
			p.log.WarnContext(ctx, "the Service may point at a former leader: its EndpointSlice cannot be read or written", "err", err)
			told = true
		}
	}
}

func (p *publisher) tryVacate(ctx context.Context, at place, token elector.Token) error {
	bounded, cancel := context.WithTimeout(unlogged(ctx), sliceTimeout)
	defer cancel()
	slice, err := p.client.Get(bounded, p.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("read: %w", err)
	case len(slice.Endpoints) == 0:
		return nil
	}
	p.forget()
	p.saw(slice)
	_, err = p.put(ctx, at, token, false)
	return err
}

// put makes the EndpointSlice name this replica, or nobody. It reports whether it has written it.
func (p *publisher) put(ctx context.Context, at place, token elector.Token, ready bool) (wrote bool, err error) {
	for range sliceTries {
		wrote, err = p.tryPut(ctx, at, token, ready)
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) && !apierrors.IsNotFound(err) {
			break
		}
	}
	return wrote, err
}

// tryPut is one compare-and-swap.
func (p *publisher) tryPut(ctx context.Context, at place, token elector.Token, ready bool) (bool, error) {
	ctx, cancel := context.WithTimeout(unlogged(ctx), sliceTimeout)
	defer cancel()
	base, known, _ := p.last()
	if !known {
		var err error
		if base, err = p.client.Get(ctx, p.name, metav1.GetOptions{}); apierrors.IsNotFound(err) {
			base, err = nil, nil
		}
		if err != nil {
			return false, fmt.Errorf("read: %w", err)
		}
		p.saw(base)
	}
	next := p.endpointSlice(base, at, token, ready)
	switch {
	case later(base, token):
		return false, errLaterTerm
	case known && base == nil && !ready, known && base != nil && sameEndpoint(base, next):
		return false, nil
	case base != nil && sameEndpoint(base, next) && ready:
		return false, nil // a write without a reply has landed
	}
	// After a write without a reply an empty EndpointSlice is written even if there seems to be none to empty: that write
	// may still arrive, and fails then.
	var stored *discoveryv1.EndpointSlice
	var err error
	if base == nil {
		stored, err = p.client.Create(ctx, next, metav1.CreateOptions{})
	} else {
		stored, err = p.client.Update(ctx, next, metav1.UpdateOptions{})
	}
	if err != nil {
		p.forget()
		return false, fmt.Errorf("write: %w", err)
	}
	p.saw(stored)
	return true, nil
}
