// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kube-elector/elector/test/chaos/event"
)

// renewals returns the writes of the Lease.
func (p *pen) renewals(events []event.Event) (all []shape) {
	for _, e := range events {
		if e.Kind != event.Lease {
			continue
		}
		r, class := e.Record, "renewal"
		y := topHeight - 9
		if r.Author != "" {
			y = p.y(event.ParseProcess(r.Author).Replica) + 24
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

// writes returns the replicas' writes, which are too many for a title each.
func (p *pen) writes(events []event.Event) map[string]string {
	paths := map[string]*strings.Builder{"unfenced": {}, "fenced": {}, "wrote": {}}
	for _, e := range events {
		var class string
		dy := 57.0
		switch {
		case e.Kind == event.Accepted && e.Unfenced:
			class = "unfenced"
		case e.Kind == event.Accepted:
			class, dy = "fenced", 62
		case e.Kind == event.Wrote:
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

func (p *pen) refusals(events []event.Event) (all []shape) {
	for _, e := range events {
		switch e.Kind {
		case event.Refused:
			all = append(all, shape{X: p.x(e.At) - 1.5, Y: p.y(e.Replica) + 60, W: 3, H: 8, Class: "refused",
				Title: fmt.Sprintf("%s write of %s refused by the register: token %s is not the highest", p.since(e.At), e.Process(), e.Token)})
		case event.Cannot:
			all = append(all, shape{X: p.x(e.At) - 1.5, Y: p.y(e.Replica) + 65, W: 3, H: 8, Class: "refused",
				Title: fmt.Sprintf("%s write of %s refused by its own client: its term is over", p.since(e.At), e.Process())})
		}
	}
	return all
}

// list returns the events that a reader wants in words.
func (p *pen) list(events []event.Event) (all []listed) {
	wanted := []event.Kind{event.Started, event.Ready, event.Leads, event.Told, event.Returns, event.Stopped, event.Woke, event.Stopping, event.Done, event.Exited, event.Frozen, event.Thawed, event.Fault, event.Healed, event.Refused, event.Cannot}
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b event.Event) int { return a.At.Compare(b.At) })
	for _, e := range events {
		if !slices.Contains(wanted, e.Kind) {
			continue
		}
		who := e.Replica
		if e.Number > 0 {
			who = e.Process().String()
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
