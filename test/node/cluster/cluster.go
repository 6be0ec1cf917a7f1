// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package cluster runs a cluster of one real node on this machine: the control plane of package harness,
// kube-controller-manager, containerd with runc, and a kubelet. Pods are in the host's network, since there is no CNI
// plugin. Nothing is pulled from a registry. It takes root.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/kube-elector/elector/test/harness"
)

// Node is the node's name. It is also how the API server finds the kubelet.
const Node = "localhost"

const patience = 2 * time.Minute

// Programs has the directories of the programs: kube-apiserver and etcd; kubelet and kube-controller-manager;
// containerd, its shim and ctr.
type Programs struct{ Envtest, Node, Containerd string }

// A Cluster is a control plane with one node. Each of its servers can be killed and started again.
type Cluster struct {
	*harness.ControlPlane
	Containerd, Kubelet, Controllers *harness.Server

	programs Programs
	dir      string
	hadState bool     // /run/containerd was there before
	cgroups  []string // that were there before
}

// Missing returns why this machine cannot run a node, or nil if it can.
func Missing(p Programs) error {
	var faults []error
	if os.Getuid() != 0 {
		faults = append(faults, errors.New("a node takes root"))
	}
	if _, err := exec.LookPath("runc"); err != nil {
		faults = append(faults, fmt.Errorf("a node takes runc, as of apt-get install runc: %w", err))
	}
	for name, dir := range map[string]string{"kube-apiserver": p.Envtest, "kubelet": p.Node, "kube-controller-manager": p.Node, "containerd": p.Containerd} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			faults = append(faults, fmt.Errorf("run make node-build: %w", err))
		}
	}
	cgroups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil || !strings.Contains(string(cgroups), "memory") && !unified() {
		faults = append(faults, errors.Join(errors.New("a node takes cgroups with a memory controller"), err))
	}
	return errors.Join(faults...)
}

// Start returns when the node is registered. On error nothing is left running.
func Start(ctx context.Context, p Programs) (c *Cluster, err error) {
	for _, dir := range []*string{&p.Envtest, &p.Node, &p.Containerd} { // Programs look for others beside them.
		if *dir, err = filepath.Abs(*dir); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "elector-node-")
	if err != nil {
		return nil, err
	}
	_, err = os.Stat(containerdState)
	c = &Cluster{programs: p, dir: dir, hadState: err == nil, cgroups: podGroups()}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("starting a node: %w", err), c.Stop())
		}
	}()
	if c.ControlPlane, err = harness.StartControlPlane(ctx, p.Envtest, dir,
		"--allow-privileged", "--kubelet-preferred-address-types=Hostname"); err != nil {
		return c, err
	}
	ports, err := harness.FreePorts(1)
	if err != nil {
		return c, err
	}
	if err := c.configure(ports[0]); err != nil {
		return c, err
	}
	if err := errors.Join(c.Containerd.Start(), c.Controllers.Start()); err != nil {
		return c, err
	}
	// A kubelet that finds no container runtime ends.
	if err := harness.Poll(ctx, patience, "containerd", func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", c.File("containerd.sock"))
		if err == nil {
			err = conn.Close()
		}
		return errors.Join(err, c.Containerd.Running())
	}); err != nil {
		return c, err
	}
	if err := c.Kubelet.Start(); err != nil {
		return c, err
	}
	return c, harness.Poll(ctx, patience, "the node", func(ctx context.Context) error {
		_, err := c.Admin.CoreV1().Nodes().Get(ctx, Node, metav1.GetOptions{})
		return errors.Join(err, c.Containerd.Running(), c.Kubelet.Running(), c.Controllers.Running())
	})
}

// configure writes the configuration of the node's servers. The kubelet listens on the address.
func (c *Cluster) configure(address string) error {
	_, port, _ := strings.Cut(address, ":")
	runc, err := exec.LookPath("runc")
	if err != nil {
		return err
	}
	fill := strings.NewReplacer("DIR", c.dir, "PORT", port, "RUNC", runc, "PAUSE", PauseImage)
	err = errors.Join(
		os.WriteFile(c.File("containerd.toml"), []byte(fill.Replace(containerdConfig)), 0o600),
		os.WriteFile(c.File("kubelet.yaml"), []byte(fill.Replace(kubeletConfig)), 0o600),
		clientcmd.WriteToFile(clientcmdapi.Config{
			Clusters:       map[string]*clientcmdapi.Cluster{"node": {Server: c.Config.Host, CertificateAuthority: c.CAFile()}},
			AuthInfos:      map[string]*clientcmdapi.AuthInfo{"admin": {Token: c.Config.BearerToken}},
			Contexts:       map[string]*clientcmdapi.Context{"node": {Cluster: "node", AuthInfo: "admin"}},
			CurrentContext: "node",
		}, c.Kubeconfig()))
	c.Containerd = harness.NewServer(filepath.Join(c.programs.Containerd, "containerd"), c.dir, "--config="+c.File("containerd.toml"))
	c.Kubelet = harness.NewServer(filepath.Join(c.programs.Node, "kubelet"), c.dir, "--config="+c.File("kubelet.yaml"),
		"--kubeconfig="+c.Kubeconfig(), "--hostname-override="+Node, "--root-dir="+c.File("kubelet"), "--cert-dir="+c.File("pki"))
	c.Controllers = harness.NewServer(filepath.Join(c.programs.Node, "kube-controller-manager"), c.dir,
		"--kubeconfig="+c.Kubeconfig(), "--leader-elect=false", "--secure-port=0", "--root-ca-file="+c.CAFile(),
		"--service-account-private-key-file="+c.File("sa.key"), "--use-service-account-credentials=false",
		"--controllers=deployment-controller,replicaset-controller,serviceaccount-controller,"+
			"root-ca-certificate-publisher-controller,namespace-controller,garbage-collector-controller")
	return err
}

// Kubeconfig returns the path of an administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return c.File("kubeconfig") }

// File returns the path of a file in the cluster's directory.
func (c *Cluster) File(name string) string { return filepath.Join(c.dir, name) }
