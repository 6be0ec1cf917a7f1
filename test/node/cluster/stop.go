// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/kube-elector/elector/test/harness"
)

const (
	cgroups         = "/sys/fs/cgroup"
	containerdState = "/run/containerd"
)

// unified reports whether this machine has cgroup v2.
func unified() bool {
	_, err := os.Stat(filepath.Join(cgroups, "cgroup.controllers"))
	return err == nil
}

// Stop ends all that the cluster has started, and leaves no process, mount, cgroup or file of it.
func (c *Cluster) Stop() error {
	var faults []error
	for _, s := range []*harness.Server{c.Kubelet, c.Controllers, c.Containerd} {
		if s != nil {
			faults = append(faults, s.Kill())
		}
	}
	if c.ControlPlane != nil {
		faults = append(faults, c.ControlPlane.Stop())
	}
	// Who is frozen cannot die.
	frozen, _ := filepath.Glob(filepath.Join(cgroups, "freezer", c.group(), "*", "freezer.state")) // The pattern is valid.
	for _, file := range frozen {
		faults = append(faults, os.WriteFile(file, []byte("THAWED"), 0o600))
	}
	faults = append(faults, harness.Poll(context.Background(), patience, "the end of all containers", func(context.Context) error {
		return c.killAll()
	}), c.unmount(), c.removeGroups(), os.RemoveAll(c.dir))
	if !c.hadState {
		faults = append(faults, os.RemoveAll(containerdState))
	}
	return errors.Join(faults...)
}

// killAll kills containers and shims. It returns an error if there were any.
func (c *Cluster) killAll() error {
	left := 0
	for _, pid := range Processes() {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // It has gone.
		group, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid)) // It has gone.
		if bytes.Contains(line, []byte("\x00"+c.File("containerd.sock"))) || bytes.Contains(group, []byte("/"+c.group()+"/")) {
			left++
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if left > 0 {
		return fmt.Errorf("%d processes", left)
	}
	return nil
}

// Processes returns the processes of this machine.
func Processes() (all []int) {
	entries, _ := os.ReadDir("/proc") // It is always there.
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// unmount unmounts all that is mounted below the cluster's directory.
func (c *Cluster) unmount() error {
	text, err := os.ReadFile("/proc/self/mountinfo")
	faults := []error{err}
	for _, line := range slices.Backward(strings.Split(string(text), "\n")) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], c.dir+"/") {
			if err := unix.Unmount(fields[4], unix.MNT_DETACH); err != nil {
				faults = append(faults, fmt.Errorf("unmounting %s: %w", fields[4], err))
			}
		}
	}
	return errors.Join(faults...)
}

// removeGroups removes the cgroups of the pods, of each hierarchy there is.
func (c *Cluster) removeGroups() error {
	return harness.Poll(context.Background(), patience, "the end of all cgroups", func(context.Context) error {
		var faults []error
		for _, at := range []string{"*/", ""} {
			found, _ := filepath.Glob(filepath.Join(cgroups, at+c.group())) // The pattern is valid.
			for _, root := range found {
				var all []string
				faults = append(faults, filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
					if err == nil && entry.IsDir() {
						all = append(all, path)
					}
					return err
				}))
				for _, dir := range slices.Backward(all) {
					faults = append(faults, os.Remove(dir))
				}
			}
		}
		return errors.Join(faults...)
	})
}
