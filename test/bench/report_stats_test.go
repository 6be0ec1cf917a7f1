// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
)

func TestPercentileIsTheNearestRank(t *testing.T) {
	hundred := make([]sample, 100)
	for i := range hundred {
		hundred[i] = sample(100 - i) // 100 … 1
	}
	for _, c := range []struct {
		samples []sample
		p       float64
		want    sample
	}{
		{hundred, 0, 1},
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
		{hundred[:99], 0.99, 100},
		{[]sample{3}, 0.5, 3},
		{[]sample{1, never, 2}, 0.5, 2},
		{[]sample{1, never, 2}, 0.99, never},
	} {
		if got := percentile(c.samples, c.p); got != c.want {
			t.Errorf("p%g of %v = %v, want %v", 100*c.p, c.samples, got, c.want)
		}
	}
	if got := percentile(nil, 0.5); !math.IsNaN(float64(got)) {
		t.Errorf("median of nothing = %v", got)
	}
}

func TestRatiosArePairByPair(t *testing.T) {
	got := ratios([]sample{6, 0, never, 1, never}, []sample{3, 0, 2, 0, never})
	if want := []sample{2, 1, never, never, 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("ratios %v, want %v", got, want)
	}
	if got := ratios([]sample{1}, []sample{1, 2}); got != nil {
		t.Errorf("samples that are no pairs have ratios %v", got)
	}
}

func TestGoalIsMissedByWhatIsWorse(t *testing.T) {
	r := result{Series: []series{{ours, []sample{1, 2}}, {clientGo, []sample{100, 300}}}}
	for _, c := range []struct {
		goal  goal
		value sample
		met   bool
	}{
		{goal{Stat: "max", Value: 2}, 2, true},
		{goal{Stat: "max", Value: 1.9}, 2, false},
		{goal{Stat: "p50", Value: 1}, 1, true},
		{goal{Stat: "p50", Versus: clientGo, Value: 0.01}, 0.01, true},
		{goal{Stat: "p50", Versus: clientGo, Value: 0.009}, 0.01, false},
		{goal{Stat: "max", Versus: floor, Value: 5}, sample(math.NaN()), false},
	} {
		value, met := c.goal.verdict(r)
		if met != c.met || value != c.value && !math.IsNaN(float64(c.value)) {
			t.Errorf("%+v: %v, met %v; want %v, %v", c.goal, value, met, c.value, c.met)
		}
	}
}

func TestNeverSurvivesJSON(t *testing.T) {
	want := []sample{0.25, never, 0}
	text, err := json.Marshal(want)
	if err != nil || string(text) != "[0.25,null,0]" {
		t.Fatalf("%s, %v", text, err)
	}
	var got []sample
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}
