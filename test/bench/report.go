// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// report is all that one run has measured, as it is written to the JSON file. Everything that is shown is made from it.
type report struct {
	Started      time.Time         `json:"started"`
	Machine      machine           `json:"machine"`
	Versions     map[string]string `json:"versions"`
	Timing       timing            `json:"timing"`
	Measurements []measured        `json:"measurements"`
}

// timing is the setting that all candidates share.
type timing struct {
	LeaseDuration duration `json:"leaseDuration"`
	RenewDeadline duration `json:"renewDeadline"`
	RetryPeriod   duration `json:"retryPeriod"`
}

// measured is what one measurement has yielded, and the load average of the minutes before and after it.
type measured struct {
	Name    string    `json:"name"`
	Title   string    `json:"title"`
	Elector string    `json:"elector,omitempty"` // its version, if not that of the report
	Started time.Time `json:"started"`
	Took    duration  `json:"took"`
	Load    [2]string `json:"loadBeforeAndAfter"`
	Results []result  `json:"results"`
	Error   string    `json:"error,omitempty"`
}

// result is one quantity, measured on several subjects in the same stretch of time.
type result struct {
	Name   string   `json:"name"`
	What   string   `json:"what"` // a sentence that says from when to when, and of what
	Unit   unit     `json:"unit"`
	Waited duration `json:"waited,omitzero"` // after this a sample that has not come is never
	// Series has one entry for each subject. Their samples of one index were taken side by side.
	Series []series `json:"series"`
	Goals  []goal   `json:"goals,omitempty"`
	Rates  []rate   `json:"rates,omitempty"` // those that the samples are taken from
}

type series struct {
	Subject string   `json:"subject"`
	Samples []sample `json:"samples"`
}

// of returns the samples of one subject.
func (r result) of(subject string) []sample {
	for _, s := range r.Series {
		if s.Subject == subject {
			return s.Samples
		}
	}
	return nil
}

type unit string

const (
	seconds   unit = "s"
	perMinute unit = "/min"
	bytesEach unit = "B"
	number    unit = ""
)

// never is the sample of what did not happen while it was waited for.
var never = sample(math.Inf(1))

// sample is one measured value. In JSON never is null.
type sample float64

// MarshalJSON keeps six digits, which is more than any clock here is worth.
func (s sample) MarshalJSON() ([]byte, error) { //nolint:unparam // an interface's
	if s == never {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(s), 'g', 6, 64), nil
}

func (s *sample) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*s = never
		return nil
	}
	return json.Unmarshal(data, (*float64)(s))
}

// took returns the sample of a stretch of time.
func took(from, to time.Time) sample { return sample(to.Sub(from).Seconds()) }

// duration is a time.Duration that JSON shows as text.
type duration time.Duration

func (d duration) String() string { return time.Duration(d).String() }

func (d duration) MarshalText() ([]byte, error) { //nolint:unparam // an interface's
	return []byte(d.String()), nil
}

func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = duration(parsed)
	return err
}
