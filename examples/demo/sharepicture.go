// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"time"
)

const (
	shardHeight = 14
	shardPitch  = 18
)

// colours are those of the replicas.
var colours = []string{"#8ec5ff", "#ffd08a", "#a6e3b8", "#e0b3ff", "#ffb3b3", "#b8e0e6", "#d9d38c", "#c9c9f5", "#f5c9e1"}

const nobodysColour = "#fde2c4"

// sharePicture is what the template of the shards' SVG is filled with.
type sharePicture struct {
	picture

	Boxes []shareBox
	Keys  []shareKey
}

type shareBox struct {
	X, W        float64
	Y           int
	Colour, Tip string
}

type shareKey struct {
	X, TextX     int
	Colour, Text string
}

// draw lays out who held what from the first move to the end. Each shard has a lane, and each replica a colour.
func (s *sharing) draw(title, subtitle string, names []string, end time.Time) sharePicture {
	from := end
	for _, m := range s.moves {
		if m.At.Before(from) {
			from = m.At
		}
	}
	scale := (plotRight - plotLeft) / max(end.Sub(from).Seconds(), 0.001)
	x := func(at time.Time) float64 { return plotLeft + at.Sub(from).Seconds()*scale }
	p := sharePicture{picture: picture{
		Title: title, Subtitle: subtitle, Width: pictureWidth, NameX: plotLeft - 14, Left: plotLeft,
		PlotWidth: plotRight - plotLeft, LaneHeight: shardHeight, Top: headHeight + labelRow,
	}}
	laneY := func(shard int) int { return p.Top + 10 + shard*shardPitch }
	for shard := range s.holders {
		p.Lanes = append(p.Lanes, lane{Name: fmt.Sprint("shard ", shard), Y: laneY(shard), TextY: laneY(shard) + 11})
	}
	p.Axis = p.Top + 10 + len(s.holders)*shardPitch
	p.TickY, p.LegendY = p.Axis+20, p.Axis+44
	p.LegendTextY, p.Height = p.LegendY+13, p.LegendY+36
	for shard := range s.holders {
		s.boxes(shard, end, func(m move, to time.Time) {
			p.Boxes = append(p.Boxes, shareBox{
				X: x(m.At), W: max(x(to)-x(m.At), 1), Y: laneY(shard), Colour: colours[slices.Index(names, m.Holder)%len(colours)],
				Tip: fmt.Sprintf("replica %s holds shard %d from %.3f s to %.3f s", m.Holder, shard, m.At.Sub(from).Seconds(), to.Sub(from).Seconds()),
			})
		})
	}
	for i, a := range s.acts {
		m := mark{Text: a.Replica + " " + a.Name, X: x(a.Began), Y: p.Top, Bottom: p.Axis, Anchor: "start"}
		m.TextX, m.TextY = m.X+6, p.Top-8-i%2*17 // two rows keep labels apart
		if m.TextX+textWidth(m.Text) > plotRight {
			m.TextX, m.Anchor = m.X-6, "end"
		}
		p.Marks = append(p.Marks, m)
	}
	p.Ticks = ticks(end.Sub(from), scale)
	p.Keys = shareLegend(names)
	return p
}

func shareLegend(names []string) (keys []shareKey) {
	at := plotLeft
	add := func(colour, text string) {
		keys = append(keys, shareKey{X: at, TextX: at + 34, Colour: colour, Text: text})
		at += 60 + int(textWidth(text))
	}
	for i, name := range names {
		add(colours[i%len(colours)], "replica "+name)
	}
	add(nobodysColour, "nobody")
	return keys
}

// boxes calls box for each time in which a shard had a holder.
func (s *sharing) boxes(shard int, end time.Time, box func(m move, to time.Time)) {
	last := move{}
	for _, m := range append(slices.Clone(s.moves), move{At: end, Shard: shard}) {
		if m.Shard != shard {
			continue
		}
		if last.Holder != "" {
			box(last, m.At)
		}
		last = m
	}
}
