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
	for _, group := range c.ownGroups() { // Who is frozen cannot die.
		_ = os.WriteFile(filepath.Join(group, "freezer.state"), []byte("THAWED"), 0o600) // of the freezer's hierarchy
		_ = os.WriteFile(filepath.Join(group, "cgroup.freeze"), []byte("0"), 0o600)      // of cgroup v2
	}
	faults = append(faults, harness.Poll(context.Background(), patience, "the end of all containers", func(context.Context) error {
		return c.killAll()
	}), c.unmount(), c.removeGroups(), os.RemoveAll(c.dir))
	if !c.hadState {
		faults = append(faults, os.RemoveAll(containerdState))
	}
	return errors.Join(faults...)
}

// killAll kills containers and shims, and returns an error if there were any. A shim knows containerd's socket. A
// container that has lost its shim is known by its mounts.
func (c *Cluster) killAll() error {
	left := 0
	host, _ := os.Readlink("/proc/self/ns/mnt") // It is always there.
	for _, pid := range Processes() {
		of := func(name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }
		line, _ := os.ReadFile(of("cmdline"))     // It may have gone.
		mounts, _ := os.ReadFile(of("mountinfo")) // It may have gone.
		space, err := os.Readlink(of("ns/mnt"))
		if bytes.Contains(line, []byte("\x00"+c.File("containerd.sock"))) ||
			err == nil && space != host && bytes.Contains(mounts, []byte("/"+filepath.Base(c.dir)+"/")) {
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

// podGroups returns the cgroups of pods there are, of each hierarchy, and their parents.
func podGroups() (all []string) {
	for _, pattern := range []string{"k8s.io", "k8s.io/*", "*/k8s.io", "*/k8s.io/*"} {
		found, _ := filepath.Glob(filepath.Join(cgroups, pattern)) // The pattern is valid.
		for _, path := range found {
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				all = append(all, path)
			}
		}
	}
	return all
}

// ownGroups returns the cgroups of the cluster's pods. What is below comes last.
func (c *Cluster) ownGroups() []string {
	return slices.DeleteFunc(podGroups(), func(path string) bool { return slices.Contains(c.cgroups, path) })
}

// removeGroups removes the cgroups of the cluster's pods.
func (c *Cluster) removeGroups() error {
	return harness.Poll(context.Background(), patience, "the end of all cgroups", func(context.Context) error {
		var faults []error
		for _, group := range slices.Backward(c.ownGroups()) {
			faults = append(faults, os.Remove(group))
		}
		return errors.Join(faults...)
	})
}
