// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"
)

// measured says what the numbers in the table are.
var measured = []string{
	"gap: from the end of the old leader's work to the new leader's OnStartedLeading. In a clean stop the work " +
		"ends when it has returned and the lease can be released; in a crash or a freeze, when the signal is sent.",
	"to work: from the same moment to the end of the new leader's first reconcile.",
	"reported: from the end of a crashed leader's process to the report of that in its Pod's status. It is a kubelet's " +
		"part, which the demo plays: it looks once a second. What is left of the gap is elector's part. Of a lost node " +
		"nobody reports.",
	"renewal: from the old leader's last renewTime in the lease to the new leader's OnStartedLeading. " +
		"Without a report a crash costs the lease duration from there.",
	"All processes run on one machine and are timed by its clock.",
}

// usualWidth is how wide text is where nothing says how much room there is.
const usualWidth = 80

// wrap breaks text into lines of the width. All but the first are indented.
func wrap(text string, width int) string {
	const indent = "  "
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, line)
			line = indent + word
		default:
			line += " " + word
		}
	}
	return strings.Join(append(lines, line), "\n")
}

// templateFiles escape what is put into them: names may come from a cluster.
//
//go:embed timeline.svg.tmpl shards.svg.tmpl page.html.tmpl
var templateFiles embed.FS

var templates = template.Must(template.ParseFS(templateFiles, "*.tmpl"))

// page is what the template of the HTML is filled with.
type page struct {
	Title    string
	SVG      template.HTML
	Header   []string
	Rows     [][]string
	Measured []string
}

// table returns the summary's header and rows.
func table(changes []change) (header []string, rows [][]string) {
	header = []string{"#", "what happened", "leader", "token", "gap", "to work", "reported", "renewal"}
	for i, c := range changes {
		what, work, report, renewal := c.Fault.name(), "-", "-", "-"
		if signal := c.Fault.signal(); signal != "" {
			what += " (" + signal + ")"
		}
		if !c.Worked.IsZero() {
			work = short(c.ToWork())
		}
		if c.Fault == killed && !c.Reported.IsZero() {
			report = short(c.Reported.Sub(c.Ended))
		}
		if c.Fault != terminated && !c.Renewed.IsZero() {
			renewal = short(c.Began.Sub(c.Renewed))
		}
		rows = append(rows, []string{
			fmt.Sprint(i + 1), what, c.From + " → " + c.To, c.Old + " → " + c.New, short(c.Gap()), work, report, renewal,
		})
	}
	return header, rows
}

// publish writes the table and the pictures, and returns an error if stale work was seen.
func (p page) publish(out io.Writer, dir, drawing string, drawn any, subtitle string, w *witness) error {
	paths, drawErr := p.write(dir, drawing, drawn)
	width, room := usualWidth, math.MaxInt // a file has room for the table
	if n := columns(out); n > 0 {
		width, room = n, n
	}
	flashes, stale := w.verdict()
	_, _ = fmt.Fprintf(out, "\n%s\n\n", wrap(subtitle, width))
	writeTable(out, p.Header, p.Rows, room)
	_, _ = fmt.Fprintf(out, "\n%d flashes were written, %d of them by a former leader.\n\n", flashes, len(stale))
	for _, line := range p.Measured {
		_, _ = fmt.Fprintln(out, wrap(line, width))
	}
	for _, path := range paths {
		_, _ = fmt.Fprintln(out, path)
	}
	return errors.Join(append(stale, drawErr)...)
}

// writeTable writes the summary as plain text: a row for each change, or if that is too wide a line for each value.
func writeTable(out io.Writer, header []string, rows [][]string, width int) {
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush()
	if widest(text.String()) > width {
		text.Reset()
		for _, row := range rows {
			for i, cell := range row {
				_, _ = fmt.Fprintf(w, "%s:\t%s\n", header[i], cell)
			}
			_, _ = fmt.Fprintln(w)
		}
		_ = w.Flush()
	}
	_, _ = text.WriteTo(out)
}

func widest(text string) (width int) {
	for line := range strings.Lines(text) {
		width = max(width, utf8.RuneCountInString(strings.TrimSpace(line)))
	}
	return width
}

// write writes the picture and a page with it into dir, as timeline.svg and timeline.html, and returns their paths.
func (p page) write(dir, drawing string, drawn any) ([]string, error) {
	var svg, html bytes.Buffer
	if err := templates.ExecuteTemplate(&svg, drawing, drawn); err != nil {
		return nil, fmt.Errorf("drawing the timeline: %w", err)
	}
	p.SVG = template.HTML(svg.String())
	if err := templates.ExecuteTemplate(&html, "page.html.tmpl", p); err != nil {
		return nil, fmt.Errorf("writing the page: %w", err)
	}
	paths := []string{filepath.Join(dir, "timeline.svg"), filepath.Join(dir, "timeline.html")}
	for i, text := range [][]byte{svg.Bytes(), html.Bytes()} {
		if err := os.WriteFile(paths[i], text, 0o644); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// shellWord returns s as one word of a shell command.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-+,:=@%", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// short returns a duration with three or four digits, which is as exact as it is.
func short(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond || d < 0:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	default:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
}
