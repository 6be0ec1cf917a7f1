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
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/kube-elector/elector/test/assets"
)

// plane is the one control plane of a run: a real kube-apiserver and etcd.
type plane struct {
	env        *envtest.Environment
	config     *rest.Config
	admin      kubernetes.Interface
	dir        string // of kubeconfig
	kubeconfig string // a file, for child processes
}

func startPlane() (*plane, error) {
	assets, err := assets.Dir()
	if err != nil {
		return nil, err
	}
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard()) // Managers that stop complain of Events they could not write.
	p := &plane{env: &envtest.Environment{BinaryAssetsDirectory: assets, ControlPlaneStartTimeout: time.Minute}}
	if p.config, err = p.env.Start(); err != nil {
		return nil, fmt.Errorf("starting the control plane of %s: %w", assets, errors.Join(err, p.env.Stop()))
	}
	p.config.QPS = -1
	p.admin, err = kubernetes.NewForConfig(p.config)
	if err == nil {
		p.dir, err = os.MkdirTemp("", "bench-")
	}
	if err == nil {
		p.kubeconfig = filepath.Join(p.dir, "kubeconfig")
		err = os.WriteFile(p.kubeconfig, p.env.KubeConfig, 0o600)
	}
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

func (p *plane) stop() error {
	return errors.Join(p.env.Stop(), os.RemoveAll(p.dir))
}

// versions asks the two servers.
func (p *plane) versions(ctx context.Context) (map[string]string, error) {
	server, err := p.admin.Discovery().ServerVersion()
	if err != nil {
		return nil, err
	}
	assets, err := assets.Dir()
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
