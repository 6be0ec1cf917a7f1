// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package harness

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
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	adminToken   = "admin"
	startTimeout = time.Minute

	// ReplicaUser is the user without permissions whose token is in the file [ControlPlane.TokenFile].
	ReplicaUser  = "replica"
	replicaToken = "replica-token"
)

// A ControlPlane is a real etcd and kube-apiserver on loopback, each of which can be killed and started again as it
// was, with its data, its port and its certificate. An API server that envtest restarts has another certificate.
type ControlPlane struct {
	Address      string // of the API server, host:port
	Etcd, Server *Server
	Config       *rest.Config // an administrator's, without a rate limit
	Admin        kubernetes.Interface
	Certificate  tls.Certificate // the API server's own
	dir          string
}

// WithoutServiceAccounts is the flag of an API server that no controller makes service accounts for.
const WithoutServiceAccounts = "--disable-admission-plugins=ServiceAccount"

// StartControlPlane returns when the API server is ready. It keeps data, logs and secrets in dir, which belongs to the
// caller. The API server gets the flags as well. On error nothing is left running.
func StartControlPlane(ctx context.Context, assets, dir string, flags ...string) (p *ControlPlane, err error) {
	p = &ControlPlane{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("starting a control plane: %w", err), p.Stop())
		}
	}()
	ports, err := FreePorts(3)
	if err != nil {
		return p, err
	}
	if err := p.writeSecrets(); err != nil {
		return p, err
	}
	etcd := "http://" + ports[0]
	p.Address = ports[2]
	p.Etcd = NewServer(filepath.Join(assets, "etcd"), dir,
		"--data-dir="+p.File("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+etcd, "--advertise-client-urls="+etcd, "--listen-peer-urls=http://"+ports[1],
		"--initial-advertise-peer-urls=http://"+ports[1], "--initial-cluster=default=http://"+ports[1])
	_, port, err := net.SplitHostPort(p.Address)
	if err != nil {
		return p, err
	}
	p.Server = NewServer(filepath.Join(assets, "kube-apiserver"), dir, append([]string{
		"--etcd-servers=" + etcd, "--secure-port=" + port, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
		"--cert-dir=" + p.File("certs"), "--token-auth-file=" + p.File("tokens.csv"), "--authorization-mode=RBAC",
		"--service-account-issuer=https://harness.invalid", "--service-account-key-file=" + p.File("sa.key"),
		"--service-account-signing-key-file=" + p.File("sa.key"), "--service-cluster-ip-range=10.0.0.0/24",
		"--endpoint-reconciler-type=none", "--profiling=false",
	}, flags...)...)
	if err := p.Etcd.Start(); err != nil {
		return p, err
	}
	if err := p.Server.Start(); err != nil {
		return p, err
	}
	return p, p.connect(ctx)
}

// File returns the path of a file in the control plane's directory.
func (p *ControlPlane) File(name string) string { return filepath.Join(p.dir, name) }

// TokenFile returns the path of the token of [ReplicaUser].
func (p *ControlPlane) TokenFile() string { return p.File("replica.token") }

// CAFile returns the path of the API server's certificate, followed by that of the authority which signed it.
func (p *ControlPlane) CAFile() string { return p.File("certs/apiserver.crt") }

// writeSecrets writes the users that may talk to the API server, and the key of its service accounts' tokens.
func (p *ControlPlane) writeSecrets() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	users := adminToken + ",admin,admin,system:masters\n" + replicaToken + "," + ReplicaUser + "," + ReplicaUser + "\n"
	return errors.Join(
		os.WriteFile(p.File("sa.key"), text, 0o600),
		os.WriteFile(p.File("tokens.csv"), []byte(users), 0o600),
		os.WriteFile(p.TokenFile(), []byte(replicaToken), 0o600))
}

// connect waits for the certificate that the API server makes when it first starts, and for the server to be ready.
func (p *ControlPlane) connect(ctx context.Context) error {
	p.Config = &rest.Config{Host: "https://" + p.Address, BearerToken: adminToken, QPS: -1, Timeout: 30 * time.Second}
	p.Config.CAFile = p.CAFile()
	if err := Poll(ctx, startTimeout, "the API server's certificate", func(context.Context) (err error) {
		p.Certificate, err = tls.LoadX509KeyPair(p.CAFile(), p.File("certs/apiserver.key"))
		return errors.Join(err, p.Etcd.Running(), p.Server.Running())
	}); err != nil {
		return err
	}
	var err error
	if p.Admin, err = kubernetes.NewForConfig(p.Config); err != nil {
		return err
	}
	return p.Ready(ctx)
}

// Ready waits until the API server says that it is ready.
func (p *ControlPlane) Ready(ctx context.Context) error {
	return Poll(ctx, startTimeout, "a ready API server", func(ctx context.Context) error {
		return errors.Join(p.Server.Running(), p.Admin.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error())
	})
}

// Stop kills both servers.
func (p *ControlPlane) Stop() error {
	var errs []error
	for _, s := range []*Server{p.Server, p.Etcd} {
		if s != nil {
			errs = append(errs, s.Kill())
		}
	}
	return errors.Join(errs...)
}

// FreePorts returns n addresses on loopback that nobody listened on a moment ago.
func FreePorts(n int) ([]string, error) {
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, l.Addr().String())
		defer func() { _ = l.Close() }() //nolint:revive // All are open until all are known: no port comes twice.
	}
	return addresses, nil
}
