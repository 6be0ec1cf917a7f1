// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// choose are the scenarios of that number or of names that match.
func choose(pattern string) ([]scenario, error) {
	all := scenarios()
	if pattern == "" {
		return all, nil
	}
	matches, err := regexp.Compile("(?i)" + pattern)
	if err != nil {
		return nil, fmt.Errorf("-scenario: %w", err)
	}
	row, err := strconv.Atoi(pattern)
	chosen := slices.DeleteFunc(all, func(sc scenario) bool {
		if err == nil {
			return sc.row != row
		}
		return !matches.MatchString(sc.name)
	})
	if len(chosen) > 0 {
		return chosen, nil
	}
	for _, other := range elsewhere {
		if err == nil && other.row == row || err != nil && matches.MatchString(other.name) {
			return nil, fmt.Errorf("-scenario %s: %s cannot be played on processes; see %s", pattern, other.name, other.where)
		}
	}
	return nil, fmt.Errorf("-scenario %s: no row has this number, and no name matches it", pattern)
}

func newReport(o choices) (*report, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, errors.New("this program was built without module information")
	}
	r := &report{Began: time.Now(), Peer: o.peer, Versions: map[string]string{"Go": runtime.Version()}}
	r.Machine = fmt.Sprintf("%s/%s, %d processors", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	for _, module := range info.Deps {
		switch module.Path {
		case "k8s.io/client-go", "sigs.k8s.io/controller-runtime":
			r.Versions[module.Path] = module.Version
		}
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	revision := cmp.Or(settings["vcs.revision"], "unknown")
	if settings["vcs.modified"] == "true" {
		revision += ", modified"
	}
	r.Versions["elector"] = revision
	r.Command = "make chaos"
	if o.peer != ours {
		r.Command += " PEER=" + o.peer
	}
	if o.duration > 0 {
		r.Seed = o.seed
		r.Command += fmt.Sprintf(" DURATION=%v SEED=%d", o.duration, o.seed)
	}
	return r, nil
}

// save writes the report in all its forms, and shows it.
func (r *report) save(dir string, out io.Writer) error {
	slices.SortStableFunc(r.Results, func(a, b result) int { return cmp.Compare(a.Row, b.Row) })
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // Anyone may read it.
		return err
	}
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	var plain, markdown strings.Builder
	r.table(&plain)
	r.markdown(&markdown)
	write := func(name, text string) error {
		return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644) //nolint:gosec // Anyone may read it.
	}
	_, shown := io.WriteString(out, plain.String())
	return errors.Join(shown, write("results.json", string(text)+"\n"), write("results.txt", plain.String()), write("results.md", markdown.String()))
}

var headings = []string{"row", "scenario", "verdict", "gap", "overlap", "zombie", "refused", "requests", "stall"}

func (r result) cells() []string {
	row := "–"
	if r.Row > 0 {
		row = strconv.Itoa(r.Row)
	}
	return []string{
		row, r.Name, r.Verdict, brief(r.Gap).String(), brief(r.Overlap).String(), brief(r.Zombie).String(),
		strconv.Itoa(r.Refused), strconv.Itoa(r.Requests), brief(r.Stall).String(),
	}
}

// table is for a terminal.
func (r *report) table(out io.Writer) {
	fmt.Fprintf(out, "%s: %d played in %v\n", r.title(), len(r.Results), r.Took.Round(time.Second))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(headings, "\t"))
	for _, one := range r.Results {
		fmt.Fprintln(w, strings.Join(one.cells(), "\t"))
	}
	_ = w.Flush()
	for _, one := range r.Results {
		for _, f := range one.Failures {
			fmt.Fprintf(out, "%d %s: %s\n", one.Row, one.Name, f)
		}
		if one.Evidence != "" {
			fmt.Fprintf(out, "%d %s: see %s\n", one.Row, one.Name, one.Evidence)
		}
	}
}

func (r *report) title() string {
	title := r.Command
	for _, what := range slices.Sorted(maps.Keys(r.Versions)) {
		title += ", " + what + " " + r.Versions[what]
	}
	return title
}

func (r *report) markdown(out io.Writer) {
	fmt.Fprintf(out, "%s\n\n| %s | figures |\n|%s\n", r.title(), strings.Join(headings, " | "), strings.Repeat(" --- |", len(headings)+1))
	for _, one := range r.Results {
		var figures []string
		for _, f := range one.Figures {
			figures = append(figures, f.String())
		}
		fmt.Fprintf(out, "| %s | %s |\n", strings.Join(one.cells(), " | "), strings.Join(append(figures, one.Failures...), "; "))
	}
}
