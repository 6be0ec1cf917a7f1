// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/kube-elector/elector/test/harness"
)

// machine is what the run was made on.
type machine struct {
	OS     string `json:"os"`
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
}

// thisMachine reads what Linux reports. On other systems some of it stays empty.
func thisMachine() machine {
	m := machine{OS: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU()}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.OS += " " + strings.TrimSpace(string(release))
	}
	m.CPU = procField("/proc/cpuinfo", "model name")
	m.Memory = procField("/proc/meminfo", "MemTotal")
	return m
}

// procField returns the value of the first line "key : value".
func procField(file, key string) string {
	text, _ := os.ReadFile(file) //nolint:gosec // one of /proc's
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// loadAverage returns that of the last minute.
func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// versions names what is compared, as it was built into this program, and what it is compared on.
func versions(ctx context.Context, p *harness.ControlPlane) (map[string]string, error) {
	v, err := planeVersions(ctx, p)
	if err != nil {
		return nil, err
	}
	built, err := harness.Versions()
	maps.Copy(v, built)
	return v, err
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
