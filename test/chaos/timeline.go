// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

//go:embed timeline.html
var timelineHTML string

var timelinePage = template.Must(template.New("timeline").Funcs(template.FuncMap{"brief": brief}).Parse(timelineHTML))

// The drawing's sizes, in its own units.
const (
	labelWidth = 110.0
	plotWidth  = 1240.0
	rowHeight  = 74.0
	topHeight  = 58.0
	labelRoom  = 120.0
)

// shape is a rectangle with a title that shows when it is pointed at; without a width it is a mark.
type shape struct {
	X, Y, W, H float64
	Class      string
	Title      string
	Label      string
}

type drawing struct {
	Title, Must   string
	Result        result
	Figures       []string
	Began         string
	Width, Height float64
	Left, Right   float64
	Rows          []shape // the replicas' names and bounds
	Ticks, Shapes []shape
	Marks         map[string]string // SVG paths of the many writes, by class
	Events        []listed
}

type listed struct{ At, Who, What string }

// writeTimeline draws what happened.
func writeTimeline(file string, stage *stage, r result) error {
	events := stage.since(0)
	s := newStory(events)
	title := fmt.Sprintf("%s (%s)", r.Name, stage.peer)
	if r.Row > 0 {
		title = fmt.Sprintf("%d: %s", r.Row, title)
	}
	d := drawing{Title: title, Result: r, Began: s.from.UTC().Format(time.RFC3339), Left: labelWidth, Right: labelWidth + plotWidth, Width: labelWidth + plotWidth + 20}
	for _, f := range r.Figures {
		d.Figures = append(d.Figures, f.String())
	}
	p := newPen(s, events)
	d.Height = topHeight + rowHeight*float64(len(p.rows)) + 10
	d.Rows, d.Ticks = p.frame(), p.ticks()
	d.Shapes = slices.Concat(p.faults(events, d.Height), p.lives(events), p.leading(), p.frozen(), p.renewals(events))
	d.Marks = p.writes(events)
	d.Shapes = append(d.Shapes, p.refusals(events)...)
	d.Events = p.list(events)
	var page bytes.Buffer
	if err := timelinePage.Execute(&page, d); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // Anyone may read it.
		return err
	}
	return os.WriteFile(file, page.Bytes(), 0o644) //nolint:gosec // Anyone may read it.
}

// pen knows where things are drawn.
type pen struct {
	story *story
	rows  map[string]int // by replica
}

func newPen(s *story, events []occurrence) *pen {
	p := &pen{s, map[string]int{}}
	for _, e := range events {
		if e.Kind == started {
			p.rows[e.Replica] = 0
		}
	}
	for i, name := range slices.Sorted(maps.Keys(p.rows)) {
		p.rows[name] = i
	}
	return p
}

func (p *pen) x(at time.Time) float64 {
	whole := p.story.length().Seconds()
	if whole == 0 {
		return labelWidth
	}
	return labelWidth + plotWidth*min(1, max(0, at.Sub(p.story.from).Seconds()/whole))
}

func (p *pen) y(replica string) float64 { return topHeight + rowHeight*float64(p.rows[replica]) }

func (p *pen) bar(s span, y, h float64, class, title string) shape {
	x := p.x(s.from)
	return shape{X: x, Y: y, W: max(0.8, p.x(s.to)-x), H: h, Class: class, Title: title}
}

func (p *pen) frame() (all []shape) {
	for _, name := range slices.Sorted(maps.Keys(p.rows)) {
		all = append(all, shape{X: labelWidth, Y: p.y(name), W: plotWidth, H: rowHeight, Label: "replica " + name})
	}
	return all
}

// ticks are about a dozen whole times.
func (p *pen) ticks() (all []shape) {
	step := time.Second
	for _, seconds := range []int{1, 2, 5, 10, 20, 30, 60, 120, 300, 600} {
		if step = time.Duration(seconds) * time.Second; p.story.length()/step <= 14 {
			break
		}
	}
	for d := time.Duration(0); d <= p.story.length(); d += step {
		all = append(all, shape{X: p.x(p.story.from.Add(d)), Label: d.String()})
	}
	return all
}

// since is a time as the drawing counts it.
func (p *pen) since(at time.Time) string {
	return fmt.Sprintf("%.3f s", at.Sub(p.story.from).Seconds())
}

func (p *pen) spanned(s span) string {
	return fmt.Sprintf("%s – %s (%v)", p.since(s.from), p.since(s.to), brief(s.length()))
}

// faults are bands: over their replica, or over all.
func (p *pen) faults(events []occurrence, height float64) (all []shape) {
	type key struct{ who, what string }
	begun := map[key]time.Time{}
	labelled := map[float64]float64{} // where a line's last label is: no two share a place
	draw := func(k key, s span) {
		y, h := topHeight, height-topHeight-10
		if _, ok := p.rows[k.who]; ok {
			y, h = p.y(k.who), rowHeight
		}
		b := p.bar(s, y, h, "fault", "fault: "+k.what+" "+p.spanned(s))
		if last, ok := labelled[y]; !ok || b.X-last > labelRoom {
			b.Label, labelled[y] = k.what, b.X
		}
		all = append(all, b)
	}
	for _, e := range events {
		k := key{e.Replica, e.Detail}
		switch e.Kind {
		case fault:
			if e.Replica == byHand {
				draw(k, span{e.At, e.At})
			} else {
				begun[k] = e.At
			}
		case healed:
			if from, ok := begun[k]; ok {
				draw(k, span{from, e.At})
				delete(begun, k)
			}
		}
	}
	for k, from := range begun {
		draw(k, span{from, p.story.to})
	}
	return all
}

// lives are the processes.
func (p *pen) lives(events []occurrence) (all []shape) {
	begun := map[process]time.Time{}
	draw := func(of process, to time.Time, how string) {
		s := span{begun[of], to}
		all = append(all, p.bar(s, p.y(of.replica)+30, 26, "life", fmt.Sprintf("process %s: %s, %s", of, p.spanned(s), how)))
		delete(begun, of)
	}
	for _, e := range events {
		switch e.Kind {
		case started:
			begun[e.process()] = e.At
		case exited:
			if _, ok := begun[e.process()]; ok {
				draw(e.process(), e.At, e.Detail)
			}
		}
	}
	for of := range begun {
		draw(of, p.story.to, "still running")
	}
	return all
}

// frozen covers what a process seems to do meanwhile.
func (p *pen) frozen() (all []shape) {
	for of, spans := range p.story.frozen {
		for _, s := range spans {
			all = append(all, p.bar(s, p.y(of.replica)+26, 34, "frozen", fmt.Sprintf("%s frozen: %s", of, p.spanned(s))))
		}
	}
	return all
}

func (p *pen) leading() (all []shape) {
	for _, t := range p.story.terms {
		title := fmt.Sprintf("%s leads: %s, token %s, ended: %s", t.process, p.spanned(t.span), t.token, t.cause)
		all = append(all, p.bar(t.span, p.y(t.replica)+32, 22, "leads", title))
		if t.until.After(t.to) {
			s := span{t.to, t.until}
			all = append(all, p.bar(s, p.y(t.replica)+32, 22, "drains", fmt.Sprintf("%s still leads while its work stops: %s", t.process, p.spanned(s))))
		}
	}
	return all
}
