// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// measured says what the numbers in the table are.
var measured = []string{
	"gap: from the end of the old leader's work to the new leader's OnStartedLeading.\n" +
		"  In a clean stop the work ends when it has returned and the lease can be\n" +
		"  released; in a crash or a freeze, when the signal is sent.",
	"to work: from the same moment to the end of the new leader's first reconcile.",
	"since renewal: from the old leader's last renewTime in the lease to the new\n" +
		"  leader's OnStartedLeading. A crash costs the lease duration from there.",
	"All processes run on one machine and are timed by its clock.",
}

// templateFiles escape what is put into them: names may come from a cluster.
//
//go:embed timeline.svg.tmpl page.html.tmpl
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

// table is the summary's header and rows.
func table(changes []change) (header []string, rows [][]string) {
	header = []string{"change", "what happened", "leader", "token", "gap", "to work", "since renewal"}
	for i, c := range changes {
		what, work, renewal := c.Fault.name(), "-", "-"
		if signal := c.Fault.signal(); signal != "" {
			what += " (" + signal + ")"
		}
		if !c.Worked.IsZero() {
			work = short(c.ToWork())
		}
		if c.Fault != terminated && !c.Renewed.IsZero() {
			renewal = short(c.Began.Sub(c.Renewed))
		}
		rows = append(rows, []string{
			fmt.Sprint(i + 1), what, c.From + " → " + c.To, c.Old + " → " + c.New, short(c.Gap()), work, renewal,
		})
	}
	return header, rows
}

// writeTable writes the summary as plain text.
func writeTable(out io.Writer, changes []change) {
	header, rows := table(changes)
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush()
}

// writePictures writes timeline.svg and timeline.html into dir, and returns their paths.
func writePictures(dir string, t timeline, subtitle string) ([]string, error) {
	const title = "Who led when"
	var svg, html bytes.Buffer
	if err := templates.ExecuteTemplate(&svg, "timeline.svg.tmpl", t.draw(title, subtitle)); err != nil {
		return nil, fmt.Errorf("drawing the timeline: %w", err)
	}
	header, rows := table(t.Changes)
	err := templates.ExecuteTemplate(&html, "page.html.tmpl", page{
		Title: title, Header: header, Rows: rows, Measured: measured,
		SVG: template.HTML(svg.String()),
	})
	if err != nil {
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

// short is a duration to three or four digits, which is what can be believed of it.
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
