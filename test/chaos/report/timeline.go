// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package report

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

	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/chaos/stage"
	"github.com/kube-elector/elector/test/history"
)

//go:embed timeline.html
var timelineHTML string

var timelinePage = template.Must(template.New("timeline").Funcs(template.FuncMap{"brief": stage.Brief}).Parse(timelineHTML))

// The drawing's sizes, in its own units.
const (
	labelWidth = 110.0
	plotWidth  = 1240.0
	rowHeight  = 74.0
	topHeight  = 58.0
	labelRoom  = 120.0
)

// A shape is a rectangle with a title that shows under the pointer. Without a width it is a mark.
type shape struct {
	X, Y, W, H float64
	Class      string
	Title      string
	Label      string
}

type drawing struct {
	Title, Must   string
	Result        Result
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

// Timeline draws the events of a scenario, as an HTML page.
func Timeline(file, peer string, events []event.Event, r Result) error {
	s := stage.NewStory(events)
	title := fmt.Sprintf("%s (%s)", r.Name, peer)
	if r.Row > 0 {
		title = fmt.Sprintf("%d: %s", r.Row, title)
	}
	d := drawing{Title: title, Result: r, Began: s.From.UTC().Format(time.RFC3339), Left: labelWidth, Right: labelWidth + plotWidth, Width: labelWidth + plotWidth + 20}
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
	story *stage.Story
	rows  map[string]int // by replica
}

func newPen(s *stage.Story, events []event.Event) *pen {
	p := &pen{s, map[string]int{}}
	for _, e := range events {
		if e.Kind == event.Started {
			p.rows[e.Replica] = 0
		}
	}
	for i, name := range slices.Sorted(maps.Keys(p.rows)) {
		p.rows[name] = i
	}
	return p
}

func (p *pen) x(at time.Time) float64 {
	whole := p.story.Length().Seconds()
	if whole == 0 {
		return labelWidth
	}
	return labelWidth + plotWidth*min(1, max(0, at.Sub(p.story.From).Seconds()/whole))
}

func (p *pen) y(replica string) float64 { return topHeight + rowHeight*float64(p.rows[replica]) }

func (p *pen) bar(s stage.Span, y, h float64, class, title string) shape {
	x := p.x(s.From)
	return shape{X: x, Y: y, W: max(0.8, p.x(s.To)-x), H: h, Class: class, Title: title}
}

func (p *pen) frame() (all []shape) {
	for _, name := range slices.Sorted(maps.Keys(p.rows)) {
		all = append(all, shape{X: labelWidth, Y: p.y(name), W: plotWidth, H: rowHeight, Label: "replica " + name})
	}
	return all
}

// ticks returns about a dozen whole times.
func (p *pen) ticks() (all []shape) {
	step := time.Second
	for _, seconds := range []int{1, 2, 5, 10, 20, 30, 60, 120, 300, 600} {
		if step = time.Duration(seconds) * time.Second; p.story.Length()/step <= 14 {
			break
		}
	}
	for d := time.Duration(0); d <= p.story.Length(); d += step {
		all = append(all, shape{X: p.x(p.story.From.Add(d)), Label: d.String()})
	}
	return all
}

// since returns a time as the drawing counts it.
func (p *pen) since(at time.Time) string {
	return fmt.Sprintf("%.3f s", at.Sub(p.story.From).Seconds())
}

func (p *pen) spanned(s stage.Span) string {
	return fmt.Sprintf("%s – %s (%v)", p.since(s.From), p.since(s.To), stage.Brief(s.Length()))
}

// faults returns bands, each over its replica or over all.
func (p *pen) faults(events []event.Event, height float64) (all []shape) {
	type key struct{ who, what string }
	begun := map[key]time.Time{}
	labelled := map[float64]float64{} // where a line's last label is: no two share a place
	draw := func(k key, s stage.Span) {
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
		case event.Fault:
			if e.Replica == history.ByHand {
				draw(k, stage.Span{From: e.At, To: e.At})
			} else {
				begun[k] = e.At
			}
		case event.Healed:
			if from, ok := begun[k]; ok {
				draw(k, stage.Span{From: from, To: e.At})
				delete(begun, k)
			}
		}
	}
	for k, from := range begun {
		draw(k, stage.Span{From: from, To: p.story.To})
	}
	return all
}

// lives returns a bar for each process.
func (p *pen) lives(events []event.Event) (all []shape) {
	begun := map[event.Process]time.Time{}
	draw := func(of event.Process, to time.Time, how string) {
		s := stage.Span{From: begun[of], To: to}
		all = append(all, p.bar(s, p.y(of.Replica)+30, 26, "life", fmt.Sprintf("process %s: %s, %s", of, p.spanned(s), how)))
		delete(begun, of)
	}
	for _, e := range events {
		switch e.Kind {
		case event.Started:
			begun[e.Process()] = e.At
		case event.Exited:
			if _, ok := begun[e.Process()]; ok {
				draw(e.Process(), e.At, e.Detail)
			}
		}
	}
	for of := range begun {
		draw(of, p.story.To, "still running")
	}
	return all
}

// frozen covers what a process seems to do meanwhile.
func (p *pen) frozen() (all []shape) {
	for of, spans := range p.story.Frozen {
		for _, s := range spans {
			all = append(all, p.bar(s, p.y(of.Replica)+26, 34, "frozen", fmt.Sprintf("%s frozen: %s", of, p.spanned(s))))
		}
	}
	return all
}

func (p *pen) leading() (all []shape) {
	for _, t := range p.story.Terms {
		title := fmt.Sprintf("%s leads: %s, token %s, ended: %s", t.Process, p.spanned(t.Span), t.Token, t.Cause)
		all = append(all, p.bar(t.Span, p.y(t.Replica)+32, 22, "leads", title))
		if t.Until.After(t.To) {
			s := stage.Span{From: t.To, To: t.Until}
			all = append(all, p.bar(s, p.y(t.Replica)+32, 22, "drains", fmt.Sprintf("%s still leads while its work stops: %s", t.Process, p.spanned(s))))
		}
	}
	return all
}
