// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kube-elector/elector/test/chaos/scenario"
	"github.com/kube-elector/elector/test/chaos/stage"
	"github.com/kube-elector/elector/test/harness"
)

// Peers has the names of the peers, in the order of their columns.
var Peers = []string{harness.Ours, harness.ClientGo, harness.ControllerRuntime}

// Compare writes what the last runs of the peers have shown, side by side, as Markdown.
func Compare(dir string, out io.Writer) error {
	reports := map[string]*Report{}
	for _, peer := range Peers {
		file := filepath.Join(dir, peer, "results.json")
		text, err := os.ReadFile(file) //nolint:gosec // The user names it.
		if err != nil {
			return fmt.Errorf("%w: run make chaos PEER=%s", err, peer)
		}
		reports[peer] = &Report{}
		if err := json.Unmarshal(text, reports[peer]); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	fmt.Fprint(out, "<!-- SPDX-FileCopyrightText: The elector Authors -->\n<!-- SPDX-License-Identifier: Apache-2.0 -->\n\n"+
		"# Faults on real processes: side by side\n\n"+
		"`make chaos PEER=compare` wrote this from the results of the runs below.\n\n")
	for _, peer := range Peers {
		r := reports[peer]
		fmt.Fprintf(out, "- %s: `%s`, %s, took %v. %s.\n", peer, r.Command, r.Began.UTC().Format("2006-01-02 15:04 MST"), r.Took.Round(time.Second), r.summary())
	}
	fmt.Fprintf(out, "\nOn %s.", reports[harness.Ours].Machine)
	for _, what := range slices.Sorted(maps.Keys(reports[harness.Ours].Versions)) {
		fmt.Fprintf(out, " %s %s.", what, reports[harness.Ours].Versions[what])
	}
	fmt.Fprint(out, explanation)
	sideBySide(out, reports)
	for _, peer := range Peers {
		reasons(out, peer, reports[peer])
	}
	return nil
}

const explanation = `

Each cell has the verdict and figures of the same run. They are the longest time without a leader
that could act (gap), the longest with two leaders that the rules do not excuse (overlap), the
longest with one that had been frozen beside another (zombie), the number of writes refused, and the
number of requests about the Lease. Two leaders are excused for as long as clocks are inexact, and
for RenewDeadline after an administrator has removed the record. All peers are judged by the same
rules, except for tokens, which only elector has. Their processes are started again when they end,
as Kubernetes would do. Rows 11 to 14, 30, 37, 42 and 43 are played at LeaseDuration 15 s,
RenewDeadline 10 s and RetryPeriod 2 s. The others, and the durations of their faults, are five
times as fast, at 3 s, 2 s and 400 ms. [doc.go](doc.go) says how rows are judged, and how the load of
the machine is taken into account. client-go's standbys compare records whose times are whole
seconds. At a RetryPeriod below a second they miss renewals, and may claim up to a second early.

`

func (r *Report) summary() string {
	n := map[string]int{}
	for _, one := range r.Results {
		n[one.Verdict]++
	}
	return fmt.Sprintf("%d rows passed, %d failed, %d could not be played to the end", n[Passed], n[Failed], n[Broken])
}

func sideBySide(out io.Writer, reports map[string]*Report) {
	fmt.Fprintf(out, "| row | fault | must | %s |\n|%s\n", strings.Join(Peers, " | "), strings.Repeat(" --- |", len(Peers)+3))
	rows := map[int]string{}
	for _, sc := range scenario.All() {
		rows[sc.Row] = fmt.Sprintf("| %d | %s | %s |", sc.Row, sc.Name, sc.Must)
		for _, peer := range Peers {
			rows[sc.Row] += " " + reports[peer].cell(sc.Row) + " |"
		}
	}
	for _, other := range scenario.Elsewhere {
		rows[other.Row] = fmt.Sprintf("| %d | %s | not on processes: %s |%s", other.Row, other.Name, other.Where, strings.Repeat(" |", len(Peers)))
	}
	for _, row := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintln(out, rows[row])
	}
}

// cell returns the results of a row, one after the other if it was played several times.
func (r *Report) cell(row int) string {
	var cells []string
	for _, one := range r.Results {
		if one.Row == row {
			cells = append(cells, fmt.Sprintf("%s: gap %v, overlap %v, zombie %v, %d refused, %d requests",
				one.Verdict, stage.Brief(one.Gap), stage.Brief(one.Overlap), stage.Brief(one.Zombie), one.Refused, one.Requests))
		}
	}
	if len(cells) == 0 {
		return "not played"
	}
	return strings.Join(cells, "; ")
}

// reasons writes why rows have not passed, and their figures.
func reasons(out io.Writer, peer string, r *Report) {
	fmt.Fprintf(out, "\n## %s: figures, and why rows failed\n\n", peer)
	for _, one := range r.Results {
		var parts []string
		for _, f := range one.Figures {
			parts = append(parts, f.String())
		}
		line := fmt.Sprintf("- %d, %s: %s; the machine's worst stall: %v", one.Row, one.Name, strings.Join(append(parts, one.Verdict), "; "), stage.Brief(one.Stall))
		if one.Replays > 0 {
			line += fmt.Sprintf(", played again %d times as it was too long", one.Replays)
		}
		fmt.Fprintln(out, line)
		for _, f := range one.Failures {
			f, _, _ = strings.Cut(f, "\n")
			fmt.Fprintf(out, "  - %.300s\n", strings.ReplaceAll(f, "|", "/"))
		}
	}
}
