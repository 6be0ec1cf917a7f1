// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

const watchHelp = `The first line says who leads now. A line follows for each beginning and end of
a term, and for a holder that does not renew in time. Renewals are not printed.
The command runs until it is interrupted. Its exit code is 0 then.

The time without a leader begins with the release, or with the last renewal if
the holder did not release, and ends with the next claim. It is counted by this
machine's clock, from when the command saw these.
`

// watchLease executes the command.
func watchLease(ctx context.Context, s *session, args []string) error {
	lease, err := s.open(args[0])
	if err != nil {
		return err
	}
	return s.watch(ctx, lease)
}

// watch prints the changes of a Lease until ctx ends.
func (s *session) watch(ctx context.Context, name string) error {
	h := newHistory(s.now, s.printEvent)
	defer h.lapse.Stop()
	f := s.follower(name, func(lease *coordinationv1.Lease) (bool, error) {
		h.saw(lease, time.Now())
		return false, nil
	})
	f.again = h.lapse.C
	if err := f.follow(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// printEvent prints a line.
func (s *session) printEvent(e event) {
	if s.options.output != "json" {
		fmt.Fprintln(s.out, e.line(s.width, s.colors))
		return
	}
	e.GapSeconds = e.gap.seconds()
	text, err := json.Marshal(e)
	if err != nil {
		s.note("cannot print JSON: %v", err)
		return
	}
	fmt.Fprintln(s.out, string(ascii(text)))
}

var eventColors = map[string]color{evLeads: green, evReleased: yellow, evLapsed: red, evDeleted: red, evMissing: yellow}

// line returns the event in one line of at most width columns, or of any length if width is 0.
func (e event) line(width int, colors bool) string {
	what := fmt.Sprintf("%-8s", e.Event)
	used := len("15:04:05.000") + 2 + len(what) + 2
	if colors {
		what = eventColors[e.Event].paint(what)
	}
	head := e.Time.Format("15:04:05.000") + "  " + what
	who, rest, more := e.words()
	short := shortOf(who)
	who = show(who)
	fits := func(text string) bool { return width == 0 || used+columns(who)+2+columns(text) <= width }
	if more != "" && fits(rest+more) {
		rest += more
	}
	if !fits(rest) {
		if short != "" {
			who = short
		}
		who = elide(who, max(12, width-used-2-columns(rest)))
	}
	if rest != "" {
		rest = "  " + rest
	}
	if who != "" {
		who = "  " + who
	}
	return head + who + rest
}

// words returns the holder, what the line says about it, and what it also says where there is room.
func (e event) words() (who, rest, more string) {
	switch e.Event {
	case evLeads:
		switch {
		case e.since.known:
			rest = "for " + brief(e.since.d)
		case e.gap.known:
			rest = fmt.Sprintf("%s after %s", brief(e.gap.d), e.GapFrom)
		}
		if e.Token != "" {
			more = ", token " + show(string(e.Token))
			if rest == "" {
				more = more[2:]
			}
		}
		return e.Holder, rest, more
	case evReleased:
		return e.Before, show(string(e.Reason)), ""
	case evLapsed:
		return e.Before, "not renewed for " + brief(e.gap.d), ""
	case evMissing:
		return "", "there is no such Lease", ""
	}
	return "", "", ""
}
