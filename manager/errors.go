// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import "errors"

// What callers must be able to recognise, with errors.Is.
var (
	// ErrLeadershipLost is returned by [Manager.Start] and [Gate.Start] when this process must not lead again: another
	// replica has led since its last term, or may have, or something in it can run in one term only. StepDown counts as
	// well. A line in the log at the start says which rule applies. The work has returned, and the error wraps the cause
	// of the term's end. The process must exit, so that Kubernetes starts it again. See [WithReElection].
	ErrLeadershipLost = errors.New("leadership lost")
	// ErrNotLeading is returned by a fenced client's writes when the term's remaining time does not cover them. See
	// [Fenced].
	ErrNotLeading = errors.New("not leading for long enough")
	// ErrStopped is returned by Add when the gate has stopped and would never start the runnable.
	ErrStopped = errors.New("can't accept new runnable: stopped")
)
