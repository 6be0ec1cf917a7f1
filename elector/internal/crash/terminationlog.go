// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// A Log is the termination log of the container that this process runs in: a file that the kubelet makes for each run
// of a container, and whose text it reports when that run has ended.
type Log struct {
	path     string
	instance Instance
}

// Find returns the termination log of this process, and an error if there is none, or if the container's end is not the
// end of the process. path is where the log is, or "" to find it among the mounts. Who gives a path vouches that this
// process ends with its container.
func Find(path string) (*Log, error) { return self.find(path, os.Getenv) }

func (p process) find(path string, env func(string) string) (*Log, error) {
	var missing []string
	for _, name := range []string{"POD_NAME", "POD_NAMESPACE", "POD_UID"} {
		if env(name) == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("not set in the environment, by the Pod's downward API: %s", strings.Join(missing, ", "))
	}
	l := &Log{path: path, instance: Instance{
		Namespace: env("POD_NAMESPACE"), Pod: env("POD_NAME"), UID: types.UID(env("POD_UID")), Nonce: Nonce(strings.Repeat("-", nonceLength)),
	}}
	if fault := l.instance.fault(); fault != "" {
		return nil, fmt.Errorf("%s: POD_NAMESPACE %q, POD_NAME %q, POD_UID %q", fault, l.instance.Namespace, l.instance.Pod, l.instance.UID)
	}
	found, container, err := p.terminationLog(l.instance.UID, path)
	l.instance.Container = container
	if path != "" {
		return l, nil
	}
	l.path = found
	return l, errors.Join(err, p.endsWithContainer())
}

// nonces has the Nonce of each log that this process has written to. Several Electors of a process share one.
var nonces = struct {
	sync.Mutex

	by map[string]Nonce
}{by: map[string]Nonce{}}

// Sign makes the log say that this process is the one that ends with the container, and returns the Instance that
// others recognise by it. It may be called again, to make sure that the log still says so.
func (l *Log) Sign() (Instance, error) {
	nonces.Lock()
	defer nonces.Unlock()
	signed := l.instance
	signed.Nonce = nonces.by[l.path]
	if signed.Nonce == "" {
		signed.Nonce = Nonce(rand.Text())
	} else if l.says(signed.Nonce) == nil {
		return signed, nil
	}
	if err := l.write(signed.Nonce); err != nil {
		return Instance{}, err
	}
	if err := l.says(signed.Nonce); err != nil {
		return Instance{}, err
	}
	nonces.by[l.path] = signed.Nonce
	return signed, nil
}

func (l *Log) write(n Nonce) error {
	info, err := os.Stat(l.path)
	if err != nil {
		return fmt.Errorf("termination log: %w", err)
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for a reader
		return fmt.Errorf("termination log: %s is not a regular file", l.path)
	}
	file, err := os.OpenFile(l.path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return fmt.Errorf("termination log: %w", err)
	}
	_, err = file.WriteString(string(n))
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("termination log: %w", err)
	}
	return nil
}

// says returns an error unless the Nonce is all that is in the log.
func (l *Log) says(n Nonce) error {
	file, err := os.Open(l.path)
	if err != nil {
		return fmt.Errorf("termination log: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(file, nonceLength+1))
	if err != nil {
		return fmt.Errorf("termination log: %w", err)
	}
	if string(text) != string(n) {
		return fmt.Errorf("termination log: %s does not keep what is written to it", l.path)
	}
	return nil
}
