// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// controlPlaneCommand is the argument with which the demo starts itself once more, to be the control plane. That
// process stops etcd and kube-apiserver when its standard input ends, so they end with the demo however it ends.
const controlPlaneCommand = "control-plane"

// assetsVariable names the directory of kube-apiserver and etcd.
const assetsVariable = "KUBEBUILDER_ASSETS"

const ready = "ready"

// startPatience is how long etcd and kube-apiserver may each take to start. On a machine that has other work the 20 s
// of envtest are too short, and it would begin again and again.
const startPatience = 2 * time.Minute

// serveControlPlane runs a control plane until standard input ends, and writes its kubeconfig.
func serveControlPlane(kubeconfig string) (err error) {
	env := &envtest.Environment{}
	if os.Getenv("KUBEBUILDER_CONTROLPLANE_START_TIMEOUT") == "" {
		env.ControlPlaneStartTimeout = startPatience
	}
	defer func() { err = errors.Join(err, env.Stop()) }()
	if _, err := env.Start(); err != nil {
		return err
	}
	if err := os.WriteFile(kubeconfig, env.KubeConfig, 0o600); err != nil {
		return err
	}
	fmt.Println(ready)
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, os.Remove(kubeconfig))
}

// controlPlane is the process that runs serveControlPlane.
type controlPlane struct {
	cmd   *exec.Cmd
	stdin io.Closer
	log   *os.File
}

// startControlPlane returns when the API server is ready. Cancelling ctx stops the start.
func startControlPlane(ctx context.Context, dir, kubeconfig string) (*controlPlane, error) {
	if err := checkAssets(); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "control-plane.log"))
	if err != nil {
		return nil, err
	}
	p := &controlPlane{cmd: exec.Command(self, controlPlaneCommand, kubeconfig), log: log}
	p.cmd.Stderr = log
	p.cmd.SysProcAttr = ownGroup()
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	p.stdin = in
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	said := make(chan string, 1)
	go func() {
		first, _ := bufio.NewReader(out).ReadString('\n')
		said <- strings.TrimSpace(first)
	}()
	select {
	case <-ctx.Done():
		// envtest cannot stop while it starts, so this waits until it has started.
		err = errors.Join(context.Cause(ctx), p.stop())
		<-said
		return nil, err
	case first := <-said:
		if first != ready {
			_ = p.stop() // What it says is known.
			return nil, fmt.Errorf("starting kube-apiserver and etcd of %s: %s", os.Getenv(assetsVariable), first)
		}
		return p, nil
	}
}

// stop returns when all its processes have gone.
func (p *controlPlane) stop() error {
	_ = p.stdin.Close()
	err := p.cmd.Wait()
	if err != nil {
		err = fmt.Errorf("stopping the control plane: %w", err)
	}
	return errors.Join(err, p.log.Close())
}

// checkAssets finds out early what envtest would say late and at length.
func checkAssets() error {
	dir := os.Getenv(assetsVariable)
	if dir == "" {
		return fmt.Errorf("%s is not set: it names the directory of kube-apiserver and etcd; make demo sets it, make envtest fills it", assetsVariable)
	}
	for _, name := range []string{"kube-apiserver", "etcd"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("%s: %w: run make envtest", assetsVariable, err)
		}
	}
	return nil
}
