// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
)

// A program is one of those in examples/over.
type program struct {
	path     string
	standsBy string // what it logs when it is ready to take over
	works    string // what the leader logs
}

// wayOver is what the programs of a page are tried with.
type wayOver struct {
	replicas []program // started one after the other: each hands over to the next
	args     func(namespace, id string) []string
}

func operatorArgs(namespace, _ string) []string {
	return []string{"--namespace=" + namespace, "--metrics-bind-address=0", "--health-probe-bind-address=0"}
}

// waysOver are the pages but that of knative, whose replicas share the work. Programs before and after the change hold
// one Lease, so that they hand over to each other.
func waysOver() map[string]wayOver {
	operator := program{"manager/after", "standing by", `"reconciled"`}
	forLife := operator
	forLife.path = "leaderforlife/after"
	client := program{"clientgo/after", "New leader elected", "Controller loop..."}
	return map[string]wayOver{
		"NewManager": {
			replicas: []program{operator, operator, {"manager/before", "acquire leader lease", operator.works}},
			args:     operatorArgs,
		},
		"RunOrDie": {
			replicas: []program{{"clientgo/before", client.standsBy, client.works}, client, client},
			args: func(namespace, id string) []string {
				return []string{"-id=" + id, "-lease-lock-name=my-operator", "-lease-lock-namespace=" + namespace}
			},
		},
		"LeaderForLife": {replicas: []program{forLife, forLife}, args: operatorArgs},
	}
}

// Replicas of each page's programs stand by, and take over when the leader is told to stop.
func TestEachWayOverHandsOver(t *testing.T) {
	binaries := newBinaries(t)
	for name, way := range waysOver() {
		t.Run(name, func(t *testing.T) {
			ns := namespace(t)
			createConfigMaps(t, ns, "x")
			var leader *running
			for i, p := range way.replicas {
				next := binaries.start(t, p.path, way.args(ns, fmt.Sprint("replica-", i))...)
				if leader != nil {
					next.logs(t, p.standsBy)
					if strings.Contains(next.output(), p.works) {
						t.Errorf("replica %d works beside the leader:\n%s", i, next.output())
					}
					was := holderOf(t, ns)
					leader.stop(t)
					eventually(t, "the next holder", func() bool { h := holderOf(t, ns); return h != "" && h != was })
				}
				next.logs(t, p.works)
				leader = next
			}
			leader.stop(t)
		})
	}
}

// The page of knative divides the objects: both replicas work, and the one that stays takes over all of them.
func TestTheWayOverFromKnativeSharesTheWork(t *testing.T) {
	ns := namespace(t)
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprint("object-", i))
	}
	createConfigMaps(t, ns, names...)
	has := func(r *running) (n int) {
		for _, name := range names {
			if strings.Contains(r.output(), `name="`+name+`"`) {
				n++
			}
		}
		return n
	}
	binaries := newBinaries(t)
	args := []string{"--namespace=" + ns, "--metrics-bind-address=0"}
	first := binaries.start(t, "knative/after", args...)
	eventually(t, "the first replica's work", func() bool { return has(first) == len(names) })
	second := binaries.start(t, "knative/after", args...)
	eventually(t, "the second replica's share", func() bool { return has(second) > 0 })
	if n := has(second); n == len(names) {
		t.Error("the second replica has got all objects beside the first")
	}
	first.stop(t)
	eventually(t, "the first replica's share in the second", func() bool { return has(second) == len(names) })
	second.stop(t)
}

// binaries are the built programs.
type binaries struct{ dir, kubeconfig string }

func newBinaries(t *testing.T) *binaries {
	t.Helper()
	b := &binaries{dir: t.TempDir()}
	b.kubeconfig = filepath.Join(b.dir, "kubeconfig")
	tls := restConfig.TLSClientConfig
	text, err := clientcmd.Write(clientcmdapi.Config{
		CurrentContext: "x",
		Contexts:       map[string]*clientcmdapi.Context{"x": {Cluster: "x", AuthInfo: "x"}},
		Clusters:       map[string]*clientcmdapi.Cluster{"x": {Server: restConfig.Host, CertificateAuthorityData: tls.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"x": {ClientCertificateData: tls.CertData, ClientKeyData: tls.KeyData}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.kubeconfig, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

// build builds a program of examples/over, once.
func (b *binaries) build(t *testing.T, path string) string {
	t.Helper()
	binary := filepath.Join(b.dir, path)
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", binary, "../../examples/over/"+path)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	return binary
}

// running is a process of a program.
type running struct {
	cmd  *exec.Cmd
	done chan error

	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// Write implements io.Writer for what the process logs.
func (r *running) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *running) output() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// start starts a program, and kills it at the end of the test if it is still running.
func (b *binaries) start(t *testing.T, path string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{cmd: exec.CommandContext(ctx, b.build(t, path), append(args, "--kubeconfig="+b.kubeconfig)...), done: make(chan error, 1)}
	r.cmd.Stdout, r.cmd.Stderr = r, r
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.done <- r.cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Logf("%s logged\n%s", path, r.output())
		}
	})
	return r
}

// logs waits until the process has logged what.
func (r *running) logs(t *testing.T, what string) {
	t.Helper()
	eventually(t, what, func() bool { return strings.Contains(r.output(), what) })
}

// stop stops the process as the kubelet does. It must exit with 0.
func (r *running) stop(t *testing.T) {
	t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, r.done, "the end of the process"); err != nil {
		t.Errorf("the process ended with %v", err)
	}
}

// holderOf returns who holds the programs' Lease.
func holderOf(t *testing.T, namespace string) string {
	t.Helper()
	lease, err := kubernetes.NewForConfigOrDie(restConfig).CoordinationV1().Leases(namespace).Get(t.Context(), "my-operator", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ptr.Deref(lease.Spec.HolderIdentity, "")
}
