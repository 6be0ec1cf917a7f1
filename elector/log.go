// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// withLogger has client-go log through the user's logger: it takes its logger
// from the context.
func (e *Elector) withLogger(ctx context.Context) context.Context {
	return klog.NewContext(ctx, e.clientLogger())
}

func (e *Elector) clientLogger() logr.Logger {
	return logr.FromSlogHandler(quietHandler{e.logger.Handler()})
}

// quietError is an error that belongs to a normal day, such as a lost race.
type quietError struct{ error }

func (q *quietError) Unwrap() error { return q.error }

// quietHandler has client-go's error lines about quietErrors logged as Debug.
type quietHandler struct{ slog.Handler }

// Handle passes the record on at the level it deserves.
func (h quietHandler) Handle(ctx context.Context, r slog.Record) error {
	quiet := false
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			quiet = errors.As(err, new(*quietError))
		}
		return !quiet
	})
	if quiet {
		r = r.Clone()
		r.Level = min(r.Level, slog.LevelDebug)
		if !h.Enabled(ctx, r.Level) {
			return nil
		}
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps the wrapper around the derived handler.
func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(slices.Clone(attrs))}
}

// WithGroup keeps the wrapper around the derived handler.
func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name)}
}

// short keeps what others wrote from flooding logs and Events.
func short(s string) string {
	const limit = 128
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "…"
}
