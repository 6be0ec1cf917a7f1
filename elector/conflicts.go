// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"fmt"
	"time"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// usualConflicts is how many writes in a row may meet a newer version of the Lease before that is trouble. One is a
// lost race, or an edit of the labels.
const usualConflicts = 3

// errVainConflict is why a claim fails again and again though no replica leads. Something refuses every write as a
// conflict, or edits the Lease all the time.
var errVainConflict = errors.New("conflict again and again, and nobody else is seen to lead")

// contest tells lost races from conflicts that nobody wins. Only Start's goroutine uses it.
type contest struct {
	claimed time.Duration // when the last claim was made
	since   time.Duration // when the first of the claims that were lost in vain was
	lost    int           // how many those are
}

// claiming must be called before every claim.
func (c *contest) claiming() { c.claimed = lease.Now().Mono }

// judge returns the error of a failed claim, without errLostRace if the race had no winner for some time. rival is when
// another's record was last seen.
func (c *contest) judge(err error, rival time.Duration) error {
	if !errors.Is(err, errLostRace) || rival > c.claimed {
		c.lost = 0
		return err
	}
	if rival > c.since {
		c.lost = 0
	}
	if c.lost == 0 {
		c.since = c.claimed
	}
	if c.lost++; c.lost < usualConflicts {
		return err
	}
	return fmt.Errorf("%w: %v", errVainConflict, err) //nolint:errorlint // it is no lost race
}
