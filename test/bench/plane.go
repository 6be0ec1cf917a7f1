// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kube-elector/elector/test/harness"
)

// startPlane starts the one control plane of a run. stop removes all that it has written, too.
func startPlane(ctx context.Context) (plane *harness.ControlPlane, stop func() error, err error) {
	assets, err := harness.Assets()
	if err != nil {
		return nil, nil, err
	}
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard()) // Managers that stop complain of Events they could not write.
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, nil, err
	}
	if plane, err = harness.StartControlPlane(ctx, assets, dir); err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	plane.Config.Timeout = 0 // It would end watches.
	return plane, func() error { return errors.Join(plane.Stop(), os.RemoveAll(dir)) }, nil
}

// planeVersions asks the two servers.
func planeVersions(ctx context.Context, p *harness.ControlPlane) (map[string]string, error) {
	server, err := p.Admin.Discovery().ServerVersion()
	if err != nil {
		return nil, err
	}
	assets, err := harness.Assets()
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(assets, "etcd"), "--version").Output() //nolint:gosec // It is ours.
	if err != nil {
		return nil, fmt.Errorf("etcd --version: %w", err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return map[string]string{
		"kube-apiserver": server.GitVersion,
		"etcd":           strings.TrimPrefix(first, "etcd Version: ") + ", without fsync",
	}, nil
}
