// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"log/slog"
	"reflect"

	"github.com/go-logr/logr"
)

// NewLogger returns a *slog.Logger, as an Elector wants it, that writes through a manager's logr.Logger. Error becomes
// Error, Info and Warn become V(0), and Debug becomes V(4); key/values and the logger's name are kept. A logr.Logger
// whose sink takes records of slog keeps all levels: zap's, klog's, or one that [NewLogr] returned.
func NewLogger(logger logr.Logger) *slog.Logger {
	slogger := slog.New(logr.ToSlogHandler(logger))
	if name := hiddenName(logger); name != "" {
		return slogger.With("logger", name)
	}
	return slogger
}

// hiddenName returns the name of a logger whose slog.Handler ToSlogHandler gives as it is, without the name: that is a
// field of logr's sink, which adds it to each line.
func hiddenName(logger logr.Logger) string {
	v := reflect.ValueOf(logger.GetSink())
	if logger.GetV() != 0 || !v.IsValid() || v.Type().String() != "*logr.slogSink" {
		return ""
	}
	if name := v.Elem().FieldByName("name"); name.IsValid() && name.Kind() == reflect.String {
		return name.String()
	}
	return ""
}

// NewLogr returns a logr.Logger, as ctrl.Options and ctrl.SetLogger want it, that writes through a *slog.Logger. V(n)
// becomes the slog.Level -n, so V(0) is Info and V(4) is Debug. A nil logger means slog.Default().
func NewLogr(logger *slog.Logger) logr.Logger {
	if logger == nil {
		logger = slog.Default()
	}
	return logr.FromSlogHandler(logger.Handler())
}
