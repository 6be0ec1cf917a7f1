// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/kube-elector/elector/test/chaos/stage"
	"github.com/kube-elector/elector/test/harness"
)

// New begins the report of a run.
func New(command, peer string) (*Report, error) {
	versions, err := harness.Versions()
	if err != nil {
		return nil, err
	}
	r := &Report{Command: command, Peer: peer, Began: time.Now(), Versions: versions}
	r.Machine = fmt.Sprintf("%s/%s, %d processors", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	return r, nil
}

// Save writes the report into dir as JSON, as text and as Markdown, and shows the text.
func (r *Report) Save(dir string, out io.Writer) error {
	slices.SortStableFunc(r.Results, func(a, b Result) int { return cmp.Compare(a.Row, b.Row) })
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // Anyone may read it.
		return err
	}
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	var plain strings.Builder
	r.table(&plain)
	write := func(name, text string) error {
		return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644) //nolint:gosec // Anyone may read it.
	}
	_, shown := io.WriteString(out, plain.String())
	return errors.Join(shown, write("results.json", string(text)+"\n"), write("results.txt", plain.String()))
}

var headings = []string{"row", "scenario", "verdict", "gap", "overlap", "zombie", "refused", "requests", "stall"}

func (r Result) cells() []string {
	row := "–"
	if r.Row > 0 {
		row = strconv.Itoa(r.Row)
	}
	return []string{
		row, r.Name, r.Verdict, stage.Brief(r.Gap).String(), stage.Brief(r.Overlap).String(), stage.Brief(r.Zombie).String(),
		strconv.Itoa(r.Refused), strconv.Itoa(r.Requests), stage.Brief(r.Stall).String(),
	}
}

// table writes a table for a terminal.
func (r *Report) table(out io.Writer) {
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

func (r *Report) title() string {
	title := r.Command
	for _, what := range slices.Sorted(maps.Keys(r.Versions)) {
		title += ", " + what + " " + r.Versions[what]
	}
	return title
}
