// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// A process is what is looked at to learn how a process stands to its container.
type process struct {
	pid  func() int
	proc string // where proc(5) is mounted
}

var self = process{os.Getpid, "/proc"}

// endsWithContainer returns an error unless the kernel kills this process before the container can be seen to have
// ended. It does so with all processes of a PID namespace whose first process ends. If the container has a PID
// namespace of its own, that is its first process, and a process started by that is in the same cgroup. In a namespace
// that is shared with other containers or the node, the first process is none of this container.
func (p process) endsWithContainer() error {
	if p.pid() == 1 {
		return nil
	}
	own, err := os.ReadFile(filepath.Join(p.proc, "self", "cgroup"))
	if err != nil {
		return fmt.Errorf("this process is not PID 1, and its cgroup is not known: %w", err)
	}
	first, err := os.ReadFile(filepath.Join(p.proc, "1", "cgroup"))
	if err != nil {
		return fmt.Errorf("this process is not PID 1, and the cgroup of that is not known: %w", err)
	}
	if len(own) == 0 || !bytes.Equal(own, first) {
		return errors.New("PID 1 is not of this container (hostPID or shareProcessNamespace), so the container may end before this process does")
	}
	return nil
}

// terminationLog returns the path of the termination log and the name of the container, from the mounts of this
// process. If path is not "" the log must be there.
func (p process) terminationLog(uid types.UID, path string) (found, container string, err error) {
	mounts, err := os.ReadFile(filepath.Join(p.proc, "self", "mountinfo"))
	if err != nil {
		return "", "", fmt.Errorf("cannot look for the termination log among the mounts: %w", err)
	}
	if real, err := filepath.EvalSymlinks(path); path != "" && err == nil {
		path = real
	}
	// The kubelet mounts a file of its own for it.
	source := regexp.MustCompile(`(?:^|/)pods/` + regexp.QuoteMeta(string(uid)) + `/containers/([^/]+)/[^/]+$`)
	matches := 0
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line) // 36 35 98:0 /root /mount/point rw …
		if len(fields) < 5 {
			continue
		}
		name, at := source.FindStringSubmatch(unescape(fields[3])), unescape(fields[4])
		if name == nil || path != "" && path != at {
			continue
		}
		found, container = at, name[1]
		matches++
	}
	if matches != 1 {
		return "", "", fmt.Errorf("the mounts show %d termination logs of a container of the Pod with POD_UID %q: must be one", matches, uid)
	}
	return found, container, nil
}

var octal = regexp.MustCompile(`\\[0-7]{3}`)

// unescape returns a field of mountinfo with the spaces, tabs, newlines and backslashes that it had.
func unescape(field string) string {
	return octal.ReplaceAllStringFunc(field, func(code string) string {
		n, err := strconv.ParseUint(code[1:], 8, 8)
		if err != nil {
			return code
		}
		return string([]byte{byte(n)})
	})
}
