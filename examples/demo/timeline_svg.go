// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"
)

// Measures of the picture, in pixels.
const (
	pictureWidth = 1100
	plotLeft     = 116
	plotRight    = pictureWidth - 40
	headHeight   = 76 // title and subtitle
	labelRow     = 38 // of the gaps' labels
	laneHeight   = 34
	lanePitch    = 62
	charWidth    = 7.4 // of the text, about
)

// picture is what the template of the SVG is filled with.
type picture struct {
	Title, Subtitle       string
	Width, Height         int
	NameX, Left           int
	PlotWidth, LaneHeight int
	Top, Axis, TickY      int // Axis is the lower edge of the plot.
	LegendY, LegendTextY  int
	Lanes                 []lane
	Spans                 []box
	Bands                 []band
	Ticks                 []tick
	Marks                 []mark
	Legend                []entry
}

type lane struct {
	Name     string
	Y, TextY int
}

type box struct {
	Class, Text, Tip string
	X, W, TextX      float64
	Y, TextY         int
}

type band struct {
	Fault, Gap         string
	X, W, LabelX       float64
	Y, H, FaultY, GapY int
}

type tick struct {
	X    float64
	Text string
}

type mark struct {
	Text, Anchor     string
	X, TextX         float64
	Y, TextY, Bottom int
}

type entry struct {
	Class, Text string
	X, TextX    int
}

// classes are the states' and the gap's names in the picture.
var classes = map[state]string{standsBy: "standby", leads: "leads", isFrozen: "frozen"}

// draw lays the timeline out.
func (t timeline) draw(title, subtitle string) picture {
	scale := (plotRight - plotLeft) / max(t.To.Sub(t.From).Seconds(), 0.001)
	x := func(at time.Time) float64 { return plotLeft + at.Sub(t.From).Seconds()*scale }
	p := picture{
		Title: title, Subtitle: subtitle, Width: pictureWidth, NameX: plotLeft - 14, Left: plotLeft,
		PlotWidth: plotRight - plotLeft, LaneHeight: laneHeight, Legend: legend(),
	}
	gaps, rows := bands(t.Changes, x)
	p.Bands = gaps
	p.Top = headHeight + rows*labelRow
	laneY := map[string]int{}
	for i, name := range t.Replicas {
		y := p.Top + 24 + i*lanePitch
		laneY[name] = y
		p.Lanes = append(p.Lanes, lane{Name: "replica " + name, Y: y, TextY: middle(y)})
	}
	p.Axis = p.Top + len(t.Replicas)*lanePitch + 6
	p.TickY, p.LegendY = p.Axis+20, p.Axis+44
	p.LegendTextY, p.Height = p.LegendY+13, p.LegendY+36
	for i := range p.Bands {
		p.Bands[i].Y = p.Bands[i].GapY + 6
		p.Bands[i].H = p.Axis - p.Bands[i].Y
	}
	for _, s := range t.Spans {
		p.Spans = append(p.Spans, s.box(t.From, x, laneY[s.Replica]))
	}
	for _, e := range t.Faults {
		p.Marks = append(p.Marks, newMark(e, x(e.At), laneY[e.Replica]))
	}
	p.Ticks = ticks(t.To.Sub(t.From), scale)
	return p
}

// middle returns the base line of text in the middle of the lane at y.
func middle(y int) int { return y + laneHeight/2 + 5 }

func (s span) box(from time.Time, x func(time.Time) float64, y int) box {
	b := box{Class: classes[s.State], X: x(s.From), W: max(x(s.To)-x(s.From), 1), Y: y, TextY: middle(y)}
	b.TextX = b.X + 7
	b.Tip = fmt.Sprintf("replica %s %s from %.3f s to %.3f s", s.Replica, s.State, s.From.Sub(from).Seconds(), s.To.Sub(from).Seconds())
	texts := []string{string(s.State)}
	if s.State == leads {
		texts = []string{"leads, token " + s.Token, "token " + s.Token, "leads"}
	}
	for _, text := range texts {
		if textWidth(text)+12 < b.W {
			b.Text = text
			break
		}
	}
	return b
}

func textWidth(text string) float64 { return charWidth * float64(len(text)) }

// bands makes the changes' bands, their labels in as many rows as keep them apart.
func bands(changes []change, x func(time.Time) float64) (made []band, rows int) {
	var ends []float64 // of the last label, by row
	for _, c := range changes {
		b := band{Fault: c.Fault.name(), Gap: "gap " + short(c.Gap())}
		b.X, b.W = x(c.Ended), max(x(c.Began)-x(c.Ended), 2)
		half := max(textWidth(b.Fault), textWidth(b.Gap)) / 2
		b.LabelX = min(max(b.X+b.W/2, plotLeft+half), plotRight-half)
		row := 0
		for row < len(ends) && b.LabelX-half < ends[row]+12 {
			row++
		}
		if row == len(ends) {
			ends = append(ends, 0)
		}
		ends[row] = b.LabelX + half
		b.FaultY = headHeight + row*labelRow + 14
		b.GapY = b.FaultY + 16
		made = append(made, b)
	}
	return made, len(ends)
}

func newMark(e event, x float64, y int) mark {
	m := mark{Text: e.Kind.signal(), X: x, TextX: x + 8, Y: y, TextY: y - 4, Bottom: y + laneHeight, Anchor: "start"}
	if m.TextX+textWidth(m.Text) > plotRight {
		m.TextX, m.Anchor = x-8, "end"
	}
	return m
}

// ticks makes marks at round numbers of seconds, at least 55 pixels apart.
func ticks(length time.Duration, scale float64) []tick {
	step := 3600
	for _, s := range []int{1, 2, 5, 10, 15, 30, 60, 120, 300, 600} {
		if float64(s)*scale >= 55 {
			step = s
			break
		}
	}
	var made []tick
	for at := 0; float64(at) <= length.Seconds(); at += step {
		made = append(made, tick{X: plotLeft + float64(at)*scale, Text: fmt.Sprintf("%d s", at)})
	}
	return made
}

func legend() []entry {
	var made []entry
	x := plotLeft
	for _, e := range []entry{
		{Class: "leads", Text: "leads"},
		{Class: "standby", Text: "stands by"},
		{Class: "frozen", Text: "frozen (SIGSTOP)"},
		{Class: "down", Text: "no process"},
		{Class: "gap", Text: "nobody works: the gap"},
	} {
		e.X, e.TextX = x, x+34
		x = e.TextX + int(textWidth(e.Text)) + 26
		made = append(made, e)
	}
	return made
}
