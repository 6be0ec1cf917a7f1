// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// A rate is what one candidate does in a fault that lasts.
type rate struct {
	Role     string  `json:"role"`  // before the fault
	Verbs    string  `json:"verbs"` // of the requests that fail
	Fault    string  `json:"fault"` // their answer
	Subject  string  `json:"subject"`
	Leads    bool    `json:"leads"`    // in the fault
	Requests float64 `json:"requests"` // a minute
	Lines    float64 `json:"lines"`    // logged a minute, at Info and above
}

// How many requests a minute the project allows itself in a fault that lasts.
const (
	leadingLimit   = 32
	waitingLimit   = 20
	forbiddenLimit = 4 // where nothing is permitted
)

func (r rate) limit() float64 {
	switch {
	case r.Leads:
		return leadingLimit
	case r.Verbs == everything && r.Fault == "403":
		return forbiddenLimit
	}
	return waitingLimit
}

// byState groups the rates by what our candidate does in the fault, since its limit depends on that.
func byState(rates []rate) (results []result) {
	for _, state := range []struct {
		name, what string
		limit      float64
	}{
		{"fault-leading", "leads on", leadingLimit},
		{"fault-waiting", "does not lead", waitingLimit},
		{"fault-forbidden", "is permitted nothing", forbiddenLimit},
	} {
		r := result{Name: state.name, What: "requests in a fault in which " + ours + " " + state.what, Unit: perMinute}
		r.Goals = []goal{{Stat: "max", Value: state.limit}}
		for row := range slices.Chunk(rates, len(peers)) {
			if row[0].limit() == state.limit {
				r.Rates = append(r.Rates, row...)
			}
		}
		for i, s := range peers {
			var sent []sample
			for row := range slices.Chunk(r.Rates, len(peers)) {
				sent = append(sent, sample(row[i].Requests))
			}
			r.Series = append(r.Series, series{s.name, sent})
		}
		results = append(results, r)
	}
	return results
}

// writeRates writes a row for each fault. Of client-go it is not said whether it leads.
func writeRates(out io.Writer, results []result) {
	var rates []rate
	for _, r := range results {
		rates = append(rates, r.Rates...)
	}
	if len(rates) == 0 {
		return
	}
	fmt.Fprintf(out, "\nRequests and lines are of a minute, counted from the fault's second minute to its eleventh. A former leader may send as\n"+
		"much as a standby. %q is a candidate that starts in the fault and finds the Lease released.\n\n", asAlone)
	fmt.Fprint(out, "| role | fails | with | leads |")
	for _, s := range peers {
		fmt.Fprintf(out, " %s: requests | lines |", s.name)
	}
	fmt.Fprintf(out, " limit | |\n| --- | --- | --- | --- |%s --: | --- |\n", strings.Repeat(" --: | --: |", len(peers)))
	for row := range slices.Chunk(rates, len(peers)) {
		own := row[0]
		fmt.Fprintf(out, "| %s | %s | %s | %t |", own.Role, own.Verbs, own.Fault, own.Leads)
		for _, r := range row {
			fmt.Fprintf(out, " %s | %s |", figures(sample(r.Requests)), figures(sample(r.Lines)))
		}
		verdict := "met"
		if own.Requests > own.limit() {
			verdict = "**missed**"
		}
		fmt.Fprintf(out, " %v | %s |\n", own.limit(), verdict)
	}
}
