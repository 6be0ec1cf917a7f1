// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// measureSize builds the same small operator on controller-runtime's manager and on ours.
func measureSize(ctx context.Context, _ *bench) (_ []result, err error) {
	dir, err := os.MkdirTemp("", "bench-size-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	results := []result{
		{Name: "size-binary", Unit: bytesEach, What: "the binary of a small operator, as go build makes it"},
		{Name: "size-stripped", Unit: bytesEach, What: "the same without symbols: -ldflags '-s -w'"},
		{Name: "size-modules", Unit: number, What: "modules in it"},
		{Name: "size-packages", Unit: number, What: "packages in it, those of the standard library included"},
	}
	for _, s := range []struct{ subject, tag string }{{ours, ""}, {controllerRuntime, "plain"}} {
		values, err := sizesOf(ctx, dir, s.tag)
		if err != nil {
			return nil, err
		}
		for i := range results {
			results[i].Series = append(results[i].Series, series{s.subject, []sample{values[i]}})
		}
	}
	return results, nil
}

// sizesOf returns one value for each result.
func sizesOf(ctx context.Context, dir, tag string) (values [4]sample, err error) {
	const program = "github.com/kube-elector/elector/test/bench/size"
	binary := filepath.Join(dir, "size")
	for i, flags := range []string{"", "-s -w"} {
		if _, err := goCommand(ctx, "build", "-buildvcs=false", "-tags", tag, "-ldflags", flags, "-o", binary, program); err != nil {
			return values, err
		}
		file, err := os.Stat(binary)
		if err != nil {
			return values, err
		}
		values[i] = sample(file.Size())
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return values, err
	}
	packages, err := goCommand(ctx, "list", "-tags", tag, "-deps", program)
	values[2], values[3] = sample(len(info.Deps)), sample(strings.Count(packages, "\n"))
	return values, err
}

func goCommand(ctx context.Context, arguments ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", arguments...).Output() //nolint:gosec // They are ours.
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		err = fmt.Errorf("go %s: %w\n%s", strings.Join(arguments, " "), err, failed.Stderr)
	}
	return string(out), err
}
