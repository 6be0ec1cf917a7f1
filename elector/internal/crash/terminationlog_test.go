// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const uid = "7d1c3e8e-0c0d-4b43-9a55-1d4f2b7c9a10"

// pods returns an environment as the downward API sets it.
func pods(change ...string) func(string) string {
	env := map[string]string{"POD_NAME": "operator-5b7-x2x", "POD_NAMESPACE": "ns", "POD_UID": uid}
	for i := 0; i < len(change); i += 2 {
		env[change[i]] = change[i+1]
	}
	return func(name string) string { return env[name] }
}

// node is a process in a container as its /proc shows it.
type node struct {
	pid                  int
	cgroup, first, mount string
}

func (n node) process(t *testing.T) process {
	t.Helper()
	proc := t.TempDir()
	for name, text := range map[string]string{"self/cgroup": n.cgroup, "1/cgroup": n.first, "self/mountinfo": n.mount} {
		if text == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(proc, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return process{func() int { return n.pid }, proc}
}

// mounts are the lines of mountinfo of a container whose termination log is at path.
func mounts(path string) string {
	return `1571 1424 0:184 / / ro,relatime master:544 - overlay overlay rw
1573 1571 0:188 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
1580 1571 254:1 /var/lib/kubelet/pods/` + uid + `/etc-hosts /etc/hosts rw,relatime - ext4 /dev/vda1 rw
1581 1571 254:1 /var/lib/kubelet/pods/` + uid + `/volumes/kubernetes.io~empty-dir/tmp /tmp rw,relatime - ext4 /dev/vda1 rw
1582 1573 254:1 /var/lib/kubelet/pods/` + uid + `/containers/manager/8a7a3c50 ` + path + ` rw,relatime - ext4 /dev/vda1 rw
1583 1573 254:1 /var/lib/kubelet/pods/11111111-0c0d-4b43-9a55-1d4f2b7c9a10/containers/other/8a7a3c50 /other rw,relatime - ext4 /dev/vda1 rw
garbage
`
}

func TestTheTerminationLogIsFoundAmongTheMounts(t *testing.T) {
	for name, n := range map[string]node{
		"PID 1":               {pid: 1, mount: mounts("/dev/termination-log")},
		"behind an init":      {pid: 7, cgroup: "0::/\n", first: "0::/\n", mount: mounts("/dev/termination-log")},
		"a mount of its own":  {pid: 1, mount: strings.ReplaceAll(mounts("/dev/termination-log"), "/var/lib/kubelet", "")},
		"another kubelet dir": {pid: 1, mount: strings.ReplaceAll(mounts("/dev/termination-log"), "/var/lib/kubelet", `/data/a\134b`)},
	} {
		l, err := n.process(t).find("", pods())
		if err != nil || l.path != "/dev/termination-log" || l.instance.Container != "manager" {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
	l, err := node{pid: 1, mount: mounts(`/with\040space`)}.process(t).find("", pods())
	if err != nil || l.path != "/with space" {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestWhereTheContainersEndIsNotThatOfTheProcessThereIsNoLog(t *testing.T) {
	const log = "/dev/termination-log"
	for want, n := range map[string]node{
		"PID 1 is not of this container":          {pid: 7, cgroup: "0::/kubepods/a\n", first: "0::/kubepods/b\n", mount: mounts(log)},
		"the cgroup of that is not known":         {pid: 7, cgroup: "0::/\n", mount: mounts(log)},
		"its cgroup is not known":                 {pid: 7, first: "0::/\n", mount: mounts(log)},
		"cannot look for the termination log":     {pid: 1},
		"the mounts show 0 termination logs":      {pid: 1, mount: strings.ReplaceAll(mounts(log), uid, "another")},
		"the mounts show 2 termination logs":      {pid: 1, mount: mounts(log) + mounts("/elsewhere")},
		"PID 1 is not of this container (hostPID": {pid: 4711, cgroup: "0::/\n", first: "0::/../../init.scope\n", mount: mounts(log)},
	} {
		if l, err := n.process(t).find("", pods()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v, %v, want %s", l, err, want)
		}
	}
}

func TestWhatThePodsSpecMustSetIsNamed(t *testing.T) {
	p := node{pid: 1, mount: mounts("/log")}.process(t)
	for want, env := range map[string]func(string) string{
		"not set in the environment, by the Pod's downward API: POD_NAMESPACE, POD_UID": pods("POD_NAMESPACE", "", "POD_UID", ""),
		`the name of the Pod is not valid: POD_NAMESPACE "ns", POD_NAME "a b"`:          pods("POD_NAME", "a b"),
		"the namespace of the Pod is not valid":                                         pods("POD_NAMESPACE", "a/b"),
		"the UID of the Pod is not valid":                                               pods("POD_UID", "a b"),
	} {
		for _, path := range []string{"", "/log"} {
			if _, err := p.find(path, env); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
}

// Whoever gives a path vouches that the process ends with the container.
func TestAGivenLogNeedsNoProof(t *testing.T) {
	n := node{pid: 7, cgroup: "a", first: "b", mount: mounts("/dev/termination-log")}
	for path, container := range map[string]string{"/elsewhere": "", "/dev/termination-log": "manager"} {
		l, err := n.process(t).find(path, pods())
		if err != nil || l.path != path || l.instance.Container != container {
			t.Errorf("%+v, %v", l, err)
		}
	}
}

func TestSigningMakesTheNonceTheWholeLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	find := func() *Log {
		l, err := self.find(path, pods())
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if _, err := find().Sign(); err == nil {
		t.Error("a log that does not exist was signed")
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("the last words of somebody else\n", 10)), 0o600); err != nil {
		t.Fatal(err)
	}
	l := find()
	first, err := l.Sign()
	if err != nil {
		t.Fatal(err)
	}
	wantText := func() {
		t.Helper()
		if text, err := os.ReadFile(path); err != nil || string(text) != string(first.Nonce) || len(text) != nonceLength {
			t.Errorf("the log says %q, %v", text, err)
		}
	}
	wantText()
	// Another Elector of this process must not take it away, and what others write is replaced.
	if second, err := find().Sign(); err != nil || second != first {
		t.Errorf("a second Elector got %#v, %v", second, err)
	}
	if err := os.WriteFile(path, []byte(string(first.Nonce)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := l.Sign(); err != nil || again != first {
		t.Errorf("%#v, %v", again, err)
	}
	wantText()
}

func TestALogThatKeepsNothingIsNotSigned(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"/dev/null", dir, "/proc/self/comm"} { // which keeps the first letters
		l, err := self.find(path, pods())
		if err != nil {
			t.Fatal(err)
		}
		if i, err := l.Sign(); err == nil || !strings.Contains(err.Error(), "termination log: ") {
			t.Errorf("%s: %#v, %v", path, i, err)
		}
	}
	if _, err := (&Log{path: filepath.Join(dir, "none")}).Sign(); err == nil {
		t.Error("a missing log was signed")
	}
}
