// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"github.com/go-logr/logr"
)

// newClientLogger returns the logger that client-go takes from the context of everything that the Elector asks of it.
func newClientLogger(logger *slog.Logger) logr.Logger {
	return logr.FromSlogHandler(clientHandler{logger.Handler()})
}

// clientHandler logs what client-go says as Debug at most. The Elector logs the same in its own words, once, at the
// level that it deserves.
type clientHandler struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h clientHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.Handler.Enabled(ctx, min(level, slog.LevelDebug))
}

// Handle implements slog.Handler. It leaves out client-go's name of the Lease, which the Elector's logger has already.
func (h clientHandler) Handle(ctx context.Context, r slog.Record) error {
	level := min(r.Level, slog.LevelDebug)
	if !h.Handler.Enabled(ctx, level) {
		return nil // logr does not ask about errors
	}
	quiet := slog.NewRecord(r.Time, level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "lock" {
			quiet.AddAttrs(a)
		}
		return true
	})
	return h.Handler.Handle(ctx, quiet)
}

// WithAttrs keeps the wrapper around the derived handler.
func (h clientHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return clientHandler{h.Handler.WithAttrs(slices.Clone(attrs))}
}

// WithGroup keeps the wrapper around the derived handler.
func (h clientHandler) WithGroup(name string) slog.Handler {
	return clientHandler{h.Handler.WithGroup(name)}
}

// logAttrs returns what every line of an Elector with this Config says. Without an election there may be no Lease, or
// only part of its name.
func (c Config) logAttrs() []any {
	attrs := []any{"identity", c.Identity}
	if c.LeaseName != "" {
		attrs = append([]any{"lease", strings.TrimPrefix(c.LeaseNamespace+"/"+c.LeaseName, "/")}, attrs...)
	}
	return attrs
}

// short keeps what others wrote from flooding logs and Events.
func short(s string) string {
	const limit = 128
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "…"
}
