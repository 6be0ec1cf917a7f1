// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// reminder is how often a trouble that goes on is logged again.
const reminder = 10 * time.Minute

// troubled logs a failure that will be tried again: loudly when it is a new
// one, so that a candidate that cannot lead says why, and quietly while it goes
// on.
func (e *Elector) troubled(ctx context.Context, what string, err error) {
	level := slog.LevelDebug
	if e.trouble.isNew(what) {
		level = slog.LevelWarn
	}
	e.logger.Log(ctx, level, what, "err", err)
}

// trouble remembers what was logged when.
type trouble struct {
	mu     sync.Mutex // guards logged
	logged map[string]moment
}

func (t *trouble) isNew(what string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, known := t.logged[what]
	if known && now().standbySince(last) < reminder {
		return false
	}
	if t.logged == nil {
		t.logged = map[string]moment{}
	}
	t.logged[what] = now()
	return true
}
