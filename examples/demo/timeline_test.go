// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func spansOf(history []event, end int) []string {
	var all []string
	for _, s := range newTimeline(history, at(end)).Spans {
		all = append(all, fmt.Sprintf("%s %s %s%d-%d", s.Replica, s.State, strings.TrimLeft(s.Token+" ", " "), ms(s.From.Sub(day)), ms(s.To.Sub(day))))
	}
	slices.Sort(all)
	return all
}

func TestTimelineHasWhatEachReplicaWasInAtAnyTime(t *testing.T) {
	want := []string{
		"a leads 10 100-1005", "a leads 40 8910-11000", "a stands by 0-100", "a stands by 1005-1030", "a stands by 1040-8910",
		"b leads 20 1020-2000", "b stands by 1-1020", "b stands by 4950-11000",
		"c frozen 30 6000-10000", "c leads 30 4920-6000", "c stands by 10000-11000", "c stands by 2-4920",
	}
	slices.Sort(want)
	if got := spansOf(threeChanges(), 11000); !slices.Equal(got, want) {
		t.Errorf("the spans are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestReplicaThatIsWokenInTimeLeadsOn(t *testing.T) {
	history := []event{
		h(0, "a", up, ""), h(0, "b", up, ""), h(100, "a", leading, "5"), h(200, "a", frozen, ""), h(300, "a", woken, ""),
		h(400, "b", frozen, ""), h(500, "b", woken, ""),
	}
	want := []string{
		"a frozen 5 200-300", "a leads 5 100-200", "a leads 5 300-600", "a stands by 0-100",
		"b frozen 400-500", "b stands by 0-400", "b stands by 500-600",
	}
	if got := spansOf(history, 600); !slices.Equal(got, want) {
		t.Errorf("the spans are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// element is any XML element.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element  `xml:",any"`
}

func (e element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (e element) number(t *testing.T, name string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(e.attr(name), 64)
	if err != nil {
		t.Fatalf("%s of <%s>: %v", name, e.XMLName.Local, err)
	}
	return n
}

// groups returns the groups of that class.
func (e element) groups(class string) []element {
	var found []element
	for _, child := range e.Children {
		if child.XMLName.Local == "g" && child.attr("class") == class {
			found = append(found, child)
		}
		found = append(found, child.groups(class)...)
	}
	return found
}

// first returns the first child of that name.
func (e element) first(t *testing.T, name string) element {
	t.Helper()
	i := slices.IndexFunc(e.Children, func(c element) bool { return c.XMLName.Local == name })
	if i < 0 {
		t.Fatalf("no <%s> in %+v", name, e)
	}
	return e.Children[i]
}

// drawn writes the pictures of a history and returns the parsed SVG and the HTML.
func drawn(t *testing.T, history []event, end int) (element, string) {
	t.Helper()
	found, _ := changes(history)
	p := page{Title: "Who led when", Measured: measured}
	p.Header, p.Rows = table(found)
	return drawnOn(t, p, "timeline.svg.tmpl", newTimeline(history, at(end)).draw(p.Title, "a <b> & \"c\""))
}

// drawnOn writes a page and its picture and returns the parsed SVG and the HTML.
func drawnOn(t *testing.T, p page, drawing string, what any) (element, string) {
	t.Helper()
	paths, err := p.write(t.TempDir(), drawing, what)
	if err != nil {
		t.Fatal(err)
	}
	var svg element
	text, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(text, &svg); err != nil {
		t.Fatalf("the SVG is not well-formed: %v\n%s", err, text)
	}
	html, err := os.ReadFile(paths[1])
	if err != nil {
		t.Fatal(err)
	}
	return svg, string(html)
}

func TestPictureHasASpanForEachTermAtItsPlace(t *testing.T) {
	svg, _ := drawn(t, threeChanges(), 11000)
	perSecond := (plotRight - plotLeft) / 11.0
	want := [][2]float64{{0.100, 1.005}, {1.020, 2}, {4.920, 6}, {8.910, 11}}
	var got [][2]float64
	for _, g := range svg.groups("leads") {
		rect := g.first(t, "rect")
		from := (rect.number(t, "x") - plotLeft) / perSecond
		got = append(got, [2]float64{from, from + rect.number(t, "width")/perSecond})
	}
	slices.SortFunc(got, func(a, b [2]float64) int { return int(math.Copysign(1, a[0]-b[0])) })
	if len(got) != len(want) {
		t.Fatalf("%d terms were drawn, want %d", len(got), len(want))
	}
	for i := range want {
		if math.Abs(got[i][0]-want[i][0]) > 0.001 || math.Abs(got[i][1]-want[i][1]) > 0.001 {
			t.Errorf("term %d is drawn from %.3f s to %.3f s, want %v", i, got[i][0], got[i][1], want[i])
		}
	}
}

func TestPictureLabelsTheGapsAndTheFaults(t *testing.T) {
	svg, _ := drawn(t, threeChanges(), 11000)
	var labels []string
	for _, class := range []string{"gap", "fault"} {
		for _, g := range svg.groups(class) {
			for _, child := range g.Children {
				if child.XMLName.Local == "text" {
					labels = append(labels, child.Text)
				}
			}
		}
	}
	want := []string{"clean stop", "gap 15 ms", "crash", "gap 2.92 s", "freeze", "gap 2.91 s", "SIGTERM", "SIGKILL", "SIGSTOP", "SIGCONT"}
	if !slices.Equal(labels, want) {
		t.Errorf("the labels are %q, want %q", labels, want)
	}
	if ticks := svg.groups("axis")[0].Children; len(ticks) != 2*12 {
		t.Errorf("the axis has %d elements, want a line and a text for each of the seconds 0 to 11", len(ticks))
	}
}

func TestLabelsOfGapsThatFollowOneAnotherCloselyAreApart(t *testing.T) {
	var history []event
	for i := range 6 {
		history = append(history, h(100*i, "a", leading, strconv.Itoa(i+1)), h(100*i+50, "a", stopped, ""))
	}
	svg, _ := drawn(t, history, 60000)
	var taken [][3]float64 // left, right, y
	for _, g := range svg.groups("gap") {
		text := g.first(t, "text")
		half := textWidth(text.Text) / 2
		x, y := text.number(t, "x"), text.number(t, "y")
		for _, other := range taken {
			if other[2] == y && x-half < other[1] && x+half > other[0] {
				t.Errorf("the label at %.0f, %.0f lies on the one at %.0f", x, y, (other[0]+other[1])/2)
			}
		}
		taken = append(taken, [3]float64{x - half, x + half, y})
	}
	if len(taken) != 5 {
		t.Errorf("there are %d labels, want 5", len(taken))
	}
}

func TestPictureOfNothingIsWellFormed(t *testing.T) {
	if svg, _ := drawn(t, nil, 0); svg.XMLName.Local != "svg" {
		t.Errorf("it is a <%s>", svg.XMLName.Local)
	}
}

func TestPageEmbedsThePictureAndTheTable(t *testing.T) {
	_, html := drawn(t, threeChanges(), 11000)
	for _, want := range []string{
		"<!DOCTYPE html>", "<svg xmlns=", "a &lt;b&gt; &amp;", "<td>freeze (SIGSTOP)</td>", "<td>2.91 s</td>", "<td>30 → 40</td>", "</html>",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	if strings.Contains(html, "a <b>") || strings.Contains(html, "<no value>") {
		t.Error("the page has what was not escaped or not filled in")
	}
	wantBalanced(t, html)
}

// wantBalanced fails unless every tag is closed in its turn. The page closes those, too, that need not be.
func wantBalanced(t *testing.T, html string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(html))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
	}
}
