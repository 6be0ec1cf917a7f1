// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// tableOf returns the reports as a table.
func (s *session) tableOf(reports []report) table {
	wide := s.options.output == "wide"
	t := table{columns: []column{
		{title: "NAME", floor: 13},
		{title: "HOLDER", floor: 13},
		{title: "SINCE", drop: 2},
		{title: "RENEWED", drop: 1},
		{title: "LAPSES"},
		{title: "TRANSITIONS", drop: 4},
		{title: "KIND", drop: 3},
	}}
	if wide {
		t.columns = append(t.columns, column{title: "TOKEN"}, column{title: "LAST TERM"}, column{title: "FENCING"})
	}
	if s.options.all {
		t.columns = append([]column{{title: "NAMESPACE", floor: 12}}, t.columns...)
	}
	for i := range reports {
		r := &reports[i]
		var row []cell
		if s.options.all {
			row = append(row, cell{text: clean(r.Namespace)})
		}
		row = append(row, cell{text: clean(r.Name)}, r.holderCell(), cell{text: r.since.brief()}, cell{text: r.renewed.brief()},
			r.lapsesCell(), cell{text: r.transitions()}, cell{text: string(r.Kind)})
		if wide {
			row = append(row, cell{text: orDash(clean(string(r.Token)))}, cell{text: orDash(r.lastTerm())}, cell{text: orDash(r.Fencing.String())})
		}
		t.rows = append(t.rows, row)
	}
	return t
}

func (s span) brief() string {
	if !s.known {
		return "-"
	}
	return brief(s.d)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// shortOf returns an identity without what mostly follows the pod's name, "" if it has no such part.
func shortOf(holder string) string {
	pod, uid, found := strings.Cut(holder, "_")
	if !found || len(uid) < 2 {
		return ""
	}
	return show(pod) + "_" + ellipsis
}

// holderCell returns the holder.
func (r *report) holderCell() cell {
	if r.Holder == "" {
		return cell{text: "<none>", color: yellow}
	}
	return cell{text: show(r.Holder), short: shortOf(r.Holder)}
}

// lapsesCell returns in how long the Lease lapses, or its state.
func (r *report) lapsesCell() cell {
	switch r.State {
	case held:
		return cell{text: brief(r.lapses.d), color: green}
	case lapsed:
		return cell{text: "lapsed", color: red}
	case free:
		return cell{text: "free", color: yellow}
	}
	return cell{text: "?", color: yellow}
}

func (r *report) transitions() string {
	if r.Transitions == nil {
		return "-"
	}
	return strconv.Itoa(int(*r.Transitions))
}

// lastTerm returns in a word why the last term ended.
func (r *report) lastTerm() string {
	if r.LastTerm == nil {
		return ""
	}
	return show(string(r.LastTerm.Reason))
}

// printDetails prints all about one Lease.
func (s *session) printDetails(r report) {
	d := details{s: s}
	d.line("Lease", plain, clean(r.Namespace+"/"+r.Name))
	if r.State == absent {
		d.line("State", red, "there is no such Lease")
	} else {
		s.detailsOfRecord(&d, &r)
	}
	d.line("Fencing", plain, r.Fencing.String())
	if f := r.Fencing; f != nil && f.Unknown != "" {
		s.note("Fencing is not known: %s", clean(f.Unknown))
	}
	if p := r.Permissions; p != nil {
		missing, color := "nothing", green
		if len(p.Missing)+len(p.MissingOnPods) > 0 {
			missing, color = p.words(), red
		}
		d.line("Permissions", color, clean(p.ServiceAccount)+" lacks "+missing)
	}
	s.remarkOnClocks([]report{r})
}

func (s *session) detailsOfRecord(d *details, r *report) {
	d.line("Kind", plain, r.Kind.words())
	d.line("State", r.lapsesCell().color, r.words())
	if r.Holder != "" {
		d.line("Holder", bold, show(r.Holder))
		d.time("Since", r.Since, r.since)
	}
	d.time("Renewed", r.Renewed, r.renewed)
	if r.LeaseDurationSeconds != nil {
		d.line("Duration", plain, fmt.Sprintf("%ds", *r.LeaseDurationSeconds))
	}
	d.line("Transitions", plain, r.transitions())
	if r.Kind.heartbeat() {
		return
	}
	if r.Holder != "" {
		d.line("Token", plain, orDash(clean(string(r.Token))))
	}
	if r.Pod != "" {
		d.line("Pod", plain, show(r.Pod)+", by which others notice a crash")
	}
	for _, key := range slices.Sorted(maps.Keys(r.Annotations)) {
		d.line("Annotation", plain, show(key+"="+r.Annotations[key]))
	}
	if t := r.LastTerm; t != nil {
		text := fmt.Sprintf("%s, %s", show(string(t.Reason)), ago(s.now().Sub(t.Ended)))
		if t.Message != "" {
			text += ": " + show(t.Message)
		}
		d.line("Last term", plain, text)
		d.line("", plain, strings.TrimSpace(show(t.Holder)+" "+tokenWords(string(t.Token))))
	}
	if r.StepDownAsked != "" {
		d.line("Step down", yellow, "asked for, by the token "+clean(string(r.StepDownAsked)))
	}
}

func tokenWords(token string) string {
	if token == "" {
		return ""
	}
	return "(token " + show(token) + ")"
}

// words says whether the Lease is held.
func (r *report) words() string {
	switch r.State {
	case held:
		return "held, lapses in " + brief(r.lapses.d) + " unless it is renewed"
	case lapsed:
		if !r.lapses.known {
			return "lapsed: its holder has no session any more"
		}
		return "lapsed " + ago(-r.lapses.d) + ", by its holder's clock, and nobody has taken it"
	case free:
		return "free: nobody holds it"
	}
	return "unknown: the Lease does not say for how long its holder has it"
}

// details prints lines with a title.
type details struct{ s *session }

const titleWidth = 13

func (d *details) line(title string, c color, text string) {
	width := d.s.width
	if width == 0 {
		width = math.MaxInt
	}
	for _, line := range wrap(text, max(20, width-titleWidth)) {
		if d.s.colors {
			line = c.paint(line)
		}
		fmt.Fprintln(d.s.out, strings.TrimRight(fmt.Sprintf("%-*s%s", titleWidth, title, line), " "))
		title = ""
	}
}

func (d *details) time(title string, t *metav1.MicroTime, s span) {
	if t == nil || !s.known {
		d.line(title, plain, "-")
		return
	}
	d.line(title, plain, fmt.Sprintf("%s (%s)", t.UTC().Format(time.RFC3339), ago(s.d)))
}
