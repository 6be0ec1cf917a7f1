// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import "errors"

// What callers must be able to recognise, with errors.Is.
var (
	// ErrLeadershipLost is returned by Manager.Start and Gate.Start when a term
	// has ended, other than by stopping, in which runnables had run that cannot
	// run a second time. Their contexts have been cancelled and they have
	// returned. The cause of the term's end is wrapped too. The process is to
	// exit, and to be started again.
	ErrLeadershipLost = errors.New("leadership lost")
	// ErrNotLeading is returned by a fenced client's writes when the term's
	// remaining time does not cover them. See [Fenced].
	ErrNotLeading = errors.New("not leading for long enough")
	// ErrStopped is returned by Add when the gate has stopped and would never
	// start the runnable.
	ErrStopped = errors.New("can't accept new runnable: stopped")
)
