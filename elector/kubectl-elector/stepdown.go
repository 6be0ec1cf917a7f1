// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kube-elector/elector/elector"
)

const stepDownHelp = `The request is the annotation kube-elector.io/step-down on the Lease. Its value
is the token of the leader's term, so that no later leader obeys it. The leader
stops its work, releases the Lease and leaves it to others for a while. It obeys
once in 30 seconds, with the usual settings. You need the permission to patch
the Lease.

Only an elector obeys. Nothing is written to the Leases of other programs.
`

// errTimeout is the cause of the end of a wait.
var errTimeout = errors.New("no time left")

// stepDown executes the command.
func stepDown(ctx context.Context, s *session, args []string) error {
	lease, err := s.open(args[0])
	if err != nil {
		return err
	}
	return s.stepDown(ctx, lease)
}

// stepDown asks the leader, and waits until another leads.
func (s *session) stepDown(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.timeout, errTimeout)
	defer cancel()
	r := &resignation{s: s, name: name}
	err := s.follower(name, func(lease *coordinationv1.Lease) (bool, error) { return r.saw(ctx, lease) }).follow(ctx)
	if errors.Is(err, errTimeout) || errors.Is(err, context.DeadlineExceeded) {
		return r.late()
	}
	return err
}

// A resignation is a request to step down, and what came of it.
type resignation struct {
	s    *session
	name string

	first    *elector.Record // the leader that is asked
	asked    elector.Token   // "" before the request is written
	at       time.Time       // when that was
	released bool
}

// saw takes in the Lease. It reports whether nothing is left to wait for.
func (r *resignation) saw(ctx context.Context, lease *coordinationv1.Lease) (bool, error) {
	record := elector.ReadLease(lease)
	if r.first == nil {
		if err := r.refuse(lease, record); err != nil {
			return true, err
		}
		r.first = &record
	}
	switch {
	case record.Holder == "":
		if !r.released && lease != nil {
			r.say("%s has released the Lease%s.", show(r.first.Holder), r.after())
		}
		r.released = true
		return false, nil
	case record.Holder != r.first.Holder:
		r.say("%s leads%s.", show(record.Holder), r.after())
		return true, nil
	case !record.Acquired.Equal(r.first.Acquired):
		r.say("%s leads again%s: no other replica has taken the Lease.", show(record.Holder), r.after())
		return true, errNobody
	case record.Token == "", record.Token == r.asked:
		return false, nil // not known yet, or asked already
	}
	return false, r.ask(ctx, record)
}

// refuse returns an error if nobody can be asked.
func (r *resignation) refuse(lease *coordinationv1.Lease, record elector.Record) error {
	switch kind := kindOfAny(lease, record); {
	case lease == nil:
		return access{name: r.name, namespace: r.s.namespace}.missing()
	case record.Holder == "":
		r.say("Nobody leads: the Lease %q is free.", r.name)
	case kind == ofShard, kind == ofSession:
		r.say("The Lease %q is of a replica with shards, which has no leader that could step down.", r.name)
	case !record.Elector:
		r.say("%s cannot be asked: it is not an elector, or its last renewal did not say so.", show(record.Holder))
	default:
		return nil
	}
	return errNo
}

func kindOfAny(lease *coordinationv1.Lease, record elector.Record) kind {
	if lease == nil {
		return ofOther
	}
	return kindOf(lease, record)
}

// ask writes the request.
func (r *resignation) ask(ctx context.Context, record elector.Record) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{elector.StepDownAnnotation: record.Token}},
	})
	if err != nil {
		return err
	}
	_, err = r.s.client.CoordinationV1().Leases(r.s.namespace).Patch(ctx, r.name, types.MergePatchType, patch,
		metav1.PatchOptions{FieldManager: "kubectl-elector"})
	if err != nil {
		return access{"patch", leases, r.s.namespace, r.name}.failed(err)
	}
	if r.asked == "" {
		r.say("Asked %s to step down (token %s).", show(record.Holder), show(string(record.Token)))
	}
	r.asked, r.at = record.Token, time.Now()
	return nil
}

// after returns for how long the request has been there.
func (r *resignation) after() string {
	if r.at.IsZero() {
		return ""
	}
	return ", " + brief(time.Since(r.at)) + " after the request"
}

// late says what is missing when the time is up.
func (r *resignation) late() error {
	switch {
	case r.first == nil:
		return errTimeout
	case r.released:
		r.say("Nobody leads after %v: no other replica has taken the Lease.", r.s.options.timeout)
	case r.asked == "":
		r.say("%s was not asked within %v: its Lease does not say the token.", show(r.first.Holder), r.s.options.timeout)
	default:
		r.say("%s still leads after %v. It may step down later, unless you take the request back with "+
			"kubectl annotate lease %s -n %s %s-", show(r.first.Holder), r.s.options.timeout, r.name, r.s.namespace, elector.StepDownAnnotation)
	}
	return errNobody
}

func (r *resignation) say(format string, args ...any) {
	width := r.s.width
	if width == 0 {
		width = math.MaxInt
	}
	for _, line := range wrap(fmt.Sprintf(format, args...), width) {
		fmt.Fprintln(r.s.out, line)
	}
}
