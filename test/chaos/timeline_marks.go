// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
)

// renewals are the writes of the Lease.
func (p *pen) renewals(events []occurrence) (all []shape) {
	for _, e := range events {
		if e.Kind != lease {
			continue
		}
		r, class := e.Record, "renewal"
		y := topHeight - 9
		if r.Author != "" {
			y = p.y(parseProcess(r.Author).replica) + 24
		} else {
			class = "hand"
		}
		title := fmt.Sprintf("%s Lease: holder %.40q, by %s, version %s, transitions %d", p.since(e.At), r.Holder, orHand(r.Author), r.Version, r.Transitions)
		switch {
		case r.Gone:
			class, y, title = "hand", topHeight-9, p.since(e.At)+" Lease deleted"
		case r.Holder == "" && r.Author != "":
			class, title = "release", title+", released"
		}
		all = append(all, shape{X: p.x(e.At), Y: y, W: 1.6, H: 7, Class: class, Title: title})
	}
	return all
}

func orHand(author string) string {
	if author == "" {
		return "an administrator"
	}
	return author
}

// writes are too many for a title each.
func (p *pen) writes(events []occurrence) map[string]string {
	paths := map[string]*strings.Builder{"unfenced": {}, "fenced": {}, "wrote": {}}
	for _, e := range events {
		var class string
		dy := 57.0
		switch {
		case e.Kind == accepted && e.Unfenced:
			class = "unfenced"
		case e.Kind == accepted:
			class, dy = "fenced", 62
		case e.Kind == wrote:
			class, dy = "wrote", 67
		default:
			continue
		}
		_, _ = fmt.Fprintf(paths[class], "M%.1f %.1fv4", p.x(e.At), p.y(e.Replica)+dy)
	}
	all := map[string]string{}
	for class, path := range paths {
		all[class] = path.String()
	}
	return all
}

func (p *pen) refusals(events []occurrence) (all []shape) {
	for _, e := range events {
		switch e.Kind {
		case refused:
			all = append(all, shape{X: p.x(e.At) - 1.5, Y: p.y(e.Replica) + 60, W: 3, H: 8, Class: "refused",
				Title: fmt.Sprintf("%s write of %s refused by the register: token %s is not the highest", p.since(e.At), e.process(), e.Token)})
		case cannot:
			all = append(all, shape{X: p.x(e.At) - 1.5, Y: p.y(e.Replica) + 65, W: 3, H: 8, Class: "refused",
				Title: fmt.Sprintf("%s write of %s refused by its own client: its term is over", p.since(e.At), e.process())})
		}
	}
	return all
}

// list are the events that a reader wants in words.
func (p *pen) list(events []occurrence) (all []listed) {
	wanted := []kind{started, isReady, leads, told, returns, stopped, woke, stopping, done, exited, frozen, thawed, fault, healed, refused, cannot}
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b occurrence) int { return a.At.Compare(b.At) })
	for _, e := range events {
		if !slices.Contains(wanted, e.Kind) {
			continue
		}
		who := e.Replica
		if e.Process > 0 {
			who = e.process().String()
		}
		what := string(e.Kind)
		if e.Token != "" {
			what += ", token " + e.Token
		}
		if e.Detail != "" {
			what += ": " + e.Detail
		}
		all = append(all, listed{p.since(e.At), who, what})
	}
	return all
}
