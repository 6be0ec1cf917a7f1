// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"log/slog"

	"github.com/go-logr/logr"
)

// NewLogger returns a *slog.Logger, as an Elector wants it, that writes through
// a manager's logr.Logger: Error as Error, Info and Warn as V(0), Debug as V(4),
// with key/values and the logger's name kept.
func NewLogger(logger logr.Logger) *slog.Logger {
	return slog.New(logr.ToSlogHandler(logger))
}

// NewLogr is the way back: a logr.Logger, as ctrl.Options and ctrl.SetLogger
// want it, that writes through a *slog.Logger. V(n) becomes the slog.Level -n,
// so V(0) is Info and V(4) is Debug. A nil logger means slog.Default().
func NewLogr(logger *slog.Logger) logr.Logger {
	if logger == nil {
		logger = slog.Default()
	}
	return logr.FromSlogHandler(logger.Handler())
}
