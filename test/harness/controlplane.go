// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	adminToken   = "chaos-admin"
	replicaToken = "chaos-replica"
	replicaUser  = "replica"
	startTimeout = time.Minute
)

// plane is a control plane, a real etcd and kube-apiserver on loopback, each of which can be killed and started again as
// it was: with its data, its port and its certificate. That is why envtest does not run it.
type plane struct {
	dir          string
	address      string // of the API server, host:port
	etcd, server *daemon
	config       *rest.Config // an administrator's
	admin        kubernetes.Interface
	certificate  tls.Certificate // the API server's own
	faults       atomic.Int64    // how many have begun or ended; odd while one lasts
	wanted       atomic.Bool     // its logs are evidence
	exclusive    bool            // it may be stopped: only one scenario is played on it
}

// startPlane returns when the API server is ready. On error nothing is left running. The caller owns dir.
func startPlane(ctx context.Context, assets, dir string) (p *plane, err error) {
	p = &plane{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("starting a control plane: %w", err), p.stop())
		}
	}()
	ports, err := freePorts(3)
	if err != nil {
		return p, err
	}
	if err := p.writeSecrets(); err != nil {
		return p, err
	}
	etcd := "http://" + ports[0]
	p.address = ports[2]
	p.etcd = &daemon{path: filepath.Join(assets, "etcd"), log: p.file("etcd.log"), args: []string{
		"--data-dir=" + p.file("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls=" + etcd, "--advertise-client-urls=" + etcd, "--listen-peer-urls=http://" + ports[1],
		"--initial-advertise-peer-urls=http://" + ports[1], "--initial-cluster=default=http://" + ports[1],
	}}
	_, port, err := net.SplitHostPort(p.address)
	if err != nil {
		return p, err
	}
	p.server = &daemon{path: filepath.Join(assets, "kube-apiserver"), log: p.file("kube-apiserver.log"), args: []string{
		"--etcd-servers=" + etcd, "--secure-port=" + port, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
		"--cert-dir=" + p.file("certs"), "--token-auth-file=" + p.file("tokens.csv"), "--authorization-mode=RBAC",
		"--service-account-issuer=https://chaos.invalid", "--service-account-key-file=" + p.file("sa.key"),
		"--service-account-signing-key-file=" + p.file("sa.key"), "--service-cluster-ip-range=10.0.0.0/24",
		"--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none", "--profiling=false",
	}}
	if err := p.etcd.start(); err != nil {
		return p, err
	}
	if err := p.server.start(); err != nil {
		return p, err
	}
	return p, p.connect(ctx)
}

func (p *plane) file(name string) string { return filepath.Join(p.dir, name) }

// writeSecrets writes what the API server reads: who may talk to it, and the key of its service accounts' tokens.
func (p *plane) writeSecrets() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	users := adminToken + ",admin,admin,system:masters\n" + replicaToken + "," + replicaUser + "," + replicaUser + "\n"
	return errors.Join(
		os.WriteFile(p.file("sa.key"), text, 0o600),
		os.WriteFile(p.file("tokens.csv"), []byte(users), 0o600),
		os.WriteFile(p.file("replica.token"), []byte(replicaToken), 0o600))
}

// connect waits for the certificate that the API server makes when it first starts, and for the server to be ready.
func (p *plane) connect(ctx context.Context) error {
	p.config = &rest.Config{Host: "https://" + p.address, BearerToken: adminToken, QPS: -1, Timeout: 30 * time.Second}
	p.config.CAFile = p.caFile()
	key := p.file("certs/apiserver.key")
	if err := poll(ctx, startTimeout, "the API server's certificate", func(context.Context) (err error) {
		p.certificate, err = tls.LoadX509KeyPair(p.caFile(), key)
		return errors.Join(err, p.alive())
	}); err != nil {
		return err
	}
	var err error
	if p.admin, err = kubernetes.NewForConfig(p.config); err != nil {
		return err
	}
	return p.ready(ctx)
}

// caFile has the certificate and, after it, that of the authority which the API server made to sign it.
func (p *plane) caFile() string { return p.file("certs/apiserver.crt") }

func (p *plane) alive() error { return errors.Join(p.etcd.running(), p.server.running()) }

// ready waits until the API server says that it is.
func (p *plane) ready(ctx context.Context) error {
	return poll(ctx, startTimeout, "a ready API server", func(ctx context.Context) error {
		return errors.Join(p.server.running(), p.admin.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error())
	})
}

// stop kills both servers.
func (p *plane) stop() error {
	var errs []error
	for _, d := range []*daemon{p.server, p.etcd} {
		if d != nil {
			errs = append(errs, d.kill())
		}
	}
	return errors.Join(errs...)
}

// freePorts are n addresses that nobody listened on just now.
func freePorts(n int) ([]string, error) {
	var addresses []string
	var errs []error
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(append(errs, err)...)
		}
		addresses = append(addresses, l.Addr().String())
		defer func() { _ = l.Close() }() //nolint:revive // All are open until all are known: no port comes twice.
	}
	return addresses, nil
}
