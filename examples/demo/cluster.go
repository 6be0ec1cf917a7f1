// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/kube-elector/elector/examples/operator/api/v1alpha1"
	operatorconfig "github.com/kube-elector/elector/examples/operator/config"
)

const (
	answerTimeout  = 10 * time.Second // for an API server to show that it is there
	cleanUpTimeout = 30 * time.Second
)

// cluster is where the replicas run, or rather what they talk to.
type cluster struct {
	kubeconfig string
	version    string
	namespace  string
	client     client.WithWatch
	config     *rest.Config
	plane      *controlPlane // nil if the cluster is not ours
	ownCRD     bool
}

// openCluster starts a control plane, or takes the cluster of the kubeconfig. On error nothing is left running.
func openCluster(ctx context.Context, o options) (c *cluster, err error) {
	c = &cluster{kubeconfig: o.kubeconfig}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.kubeconfig == "" {
		c.kubeconfig = filepath.Join(o.out, "kubeconfig")
		if c.plane, err = startControlPlane(ctx, o.out, c.kubeconfig); err != nil {
			return c, err
		}
	}
	if err := c.connect(ctx); err != nil {
		return c, err
	}
	if err := c.installCRD(ctx); err != nil {
		return c, fmt.Errorf("installing the CustomResourceDefinition: %w", err)
	}
	return c, c.fill(ctx, o.objects)
}

func (c *cluster) connect(ctx context.Context) error {
	var err error
	if c.config, err = clientcmd.BuildConfigFromFlags("", c.kubeconfig); err != nil {
		return fmt.Errorf("--kubeconfig: %s: %w", c.kubeconfig, err)
	}
	c.config.QPS = -1
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	quick := rest.CopyConfig(c.config)
	quick.Timeout = answerTimeout
	disco, err := discovery.NewDiscoveryClientForConfig(quick)
	if err != nil {
		return fmt.Errorf("--kubeconfig: %s: %w", c.kubeconfig, err)
	}
	version, err := disco.ServerVersion()
	if err != nil {
		return fmt.Errorf("the API server at %s, of %s, does not answer: %w", c.config.Host, c.kubeconfig, err)
	}
	c.version = version.GitVersion
	c.client, err = client.NewWithWatch(c.config, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	return context.Cause(ctx)
}

// installCRD leaves one that is there as it is.
func (c *cluster) installCRD(ctx context.Context) error {
	crd, err := operatorconfig.CRD()
	if err != nil {
		return err
	}
	err = c.client.Get(ctx, client.ObjectKeyFromObject(crd), &apiextensionsv1.CustomResourceDefinition{})
	if !apierrors.IsNotFound(err) {
		return err
	}
	c.ownCRD = true
	_, err = envtest.InstallCRDs(c.config, envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{crd}})
	return err
}

// fill makes a namespace and the Beacons in it. They flash about once a second, but 50 times together at most, which is
// enough to look at and little for an API server.
func (c *cluster) fill(ctx context.Context, objects int) error {
	// Known before it is made, so that it is removed also if the answer is lost.
	c.namespace = "elector-demo-" + rand.String(6)
	if err := c.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.namespace}}); err != nil {
		return fmt.Errorf("making a namespace: %w", err)
	}
	interval := max(time.Second, time.Duration(objects)*20*time.Millisecond)
	for i := range objects {
		beacon := &v1alpha1.Beacon{
			ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: fmt.Sprintf("beacon-%03d", i)},
			Spec:       v1alpha1.BeaconSpec{Interval: metav1.Duration{Duration: interval}},
		}
		if err := c.client.Create(ctx, beacon); err != nil {
			return fmt.Errorf("making a Beacon: %w", err)
		}
	}
	return nil
}

// close stops the control plane, or removes from the user's cluster what the demo made there. It does its work also
// when the demo was interrupted.
func (c *cluster) close() error {
	if c.plane != nil {
		return c.plane.stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanUpTimeout)
	defer cancel()
	var faults []error
	remove := func(obj client.Object) {
		if err := c.client.Delete(ctx, obj); client.IgnoreNotFound(err) != nil {
			faults = append(faults, fmt.Errorf("removing %T %s: %w", obj, obj.GetName(), err))
		}
	}
	if c.namespace != "" {
		remove(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.namespace}})
	}
	if c.ownCRD {
		crd, err := operatorconfig.CRD()
		if err != nil {
			return err
		}
		remove(crd)
	}
	return errors.Join(faults...)
}
