// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/examples/operator/api/v1alpha1"
	operatorconfig "github.com/kube-elector/elector/examples/operator/config"
	"github.com/kube-elector/elector/test/harness"
	"github.com/kube-elector/elector/test/node/cluster"
)

// A subject is an operator that runs as a Deployment in a namespace of its own.
type subject struct {
	name     string
	peer     string // "" for the operator of examples/operator
	fenced   bool
	flags    []string // instead of --crash-detection
	replicas int32
	crowded  bool // another container is in each pod
}

const crashDetection = "--crash-detection"

var (
	fenced  = subject{name: "elector, epoch policy", fenced: true, flags: []string{crashDetection}, replicas: 3}
	single  = subject{name: "elector, epoch policy, one replica", fenced: true, flags: []string{crashDetection}, replicas: 1}
	crowded = subject{name: "elector, two containers", fenced: true, flags: []string{crashDetection}, replicas: 3, crowded: true}
	waiting = subject{name: "elector, default grace", flags: []string{crashDetection}, replicas: 3}
	without = subject{name: "elector, no crash detection", replicas: 3}
	others  = []subject{
		{name: "client-go", peer: harness.ClientGo, replicas: 3},
		{name: "controller-runtime", peer: harness.ControllerRuntime, replicas: 3},
	}
)

const (
	operatorName = "controller-manager"
	imageName    = "elector.invalid/node-test:1"
)

// deploy applies the manifests of examples/operator in the namespace, with the Deployment as the subject and the
// cluster need it, and two Beacons.
func (s *stage) deploy(ctx context.Context, sub subject) error {
	files := []string{"crd/bases/*.yaml", "rbac/*.yaml", "manager/manager.yaml"}
	if sub.fenced {
		files = append(files, "fencing/keeper.yaml", "fencing/policies.yaml", "fencing/role*.yaml")
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace, Labels: map[string]string{
		"pod-security.kubernetes.io/enforce": "privileged", // for hostNetwork
	}}}
	if err := s.client.Create(ctx, namespace); err != nil {
		return err
	}
	for _, pattern := range files {
		names, err := fs.Glob(operatorconfig.Files, pattern)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := s.apply(ctx, name, sub); path.Base(name) != "kustomization.yaml" && err != nil {
				return fmt.Errorf("applying %s: %w", name, err)
			}
		}
	}
	for _, name := range []string{"one", "two"} {
		beacon := &v1alpha1.Beacon{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}}
		if err := s.client.Create(ctx, beacon); err != nil {
			return err
		}
	}
	return nil
}

// apply creates the objects of a file. kustomize would give them the same names, but for the prefix.
func (s *stage) apply(ctx context.Context, name string, sub subject) error {
	text, err := operatorconfig.Files.ReadFile(name)
	if err != nil {
		return err
	}
	text = []byte(strings.NewReplacer("namespace: system", "namespace: "+s.namespace, "beacon-operator-system", s.namespace,
		"beacon-operator-fencing", s.namespace, "beacon-operator-controller-manager", operatorName).Replace(string(text)))
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		var object unstructured.Unstructured
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var made client.Object = &object
		switch object.GetKind() {
		case "", "Kustomization", "Namespace":
			continue
		case "Deployment":
			deployment := new(appsv1.Deployment)
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, deployment); err != nil {
				return err
			}
			s.adapt(deployment, sub)
			made = deployment
		}
		if err := s.client.Create(ctx, made); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
		if strings.Contains(made.GetName(), s.namespace) { // The rest goes with the namespace, or is for all.
			s.made = append(s.made, made)
		}
	}
}

// adapt changes the Deployment to what the subject and the cluster need, and leaves the rest as users have it.
func (s *stage) adapt(d *appsv1.Deployment, sub subject) {
	d.Spec.Replicas = &sub.replicas
	pod := &d.Spec.Template.Spec
	c := &pod.Containers[0]
	c.Image = s.image
	c.Args = append([]string{"--leader-elect", "--health-probe-bind-address=0", "--report-interval=1h"}, sub.flags...)
	if sub.fenced {
		c.Args = append(c.Args, "--fencing")
	}
	if sub.peer != "" {
		c.Command, c.Args = []string{"/replica"}, []string{sub.peer}
	}
	// All pods of the node are in one network, where ports would collide.
	c.LivenessProbe, c.ReadinessProbe, c.Ports = nil, nil, nil
	if sub.crowded {
		pod.Containers = append(pod.Containers, corev1.Container{Name: "other", Image: s.image, ImagePullPolicy: c.ImagePullPolicy, Command: []string{"/replica", "idle"}})
		c = &pod.Containers[0]
	}
	if s.node == nil {
		return
	}
	host, port, _ := net.SplitHostPort(s.node.Address) // It listens there.
	c.Env = append(c.Env, corev1.EnvVar{Name: "KUBERNETES_SERVICE_HOST", Value: host}, corev1.EnvVar{Name: "KUBERNETES_SERVICE_PORT", Value: port})
	for i := range pod.Containers {
		pod.Containers[i].ImagePullPolicy = corev1.PullNever
	}
	pod.NodeName, pod.HostNetwork, pod.TopologySpreadConstraints = cluster.Node, true, nil
	pod.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
}

// change updates the template of the Deployment, which rolls it out.
func (s *stage) change(ctx context.Context, f func(*corev1.PodTemplateSpec)) error {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: operatorName}}
	if err := s.client.Get(ctx, client.ObjectKeyFromObject(d), d); err != nil {
		return err
	}
	before := d.DeepCopy()
	f(&d.Spec.Template)
	return s.client.Patch(ctx, d, client.MergeFrom(before))
}

// settled waits until all replicas are of the newest template and run, and no others are left.
func (s *stage) settled(ctx context.Context) error {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: operatorName}}
	return harness.Poll(ctx, 2*time.Minute, "the replicas in "+s.namespace, func(ctx context.Context) error {
		if err := harness.Pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
		if err := s.client.Get(ctx, client.ObjectKeyFromObject(d), d); err != nil {
			return err
		}
		want, status, pods := ptr.Deref(d.Spec.Replicas, 1), d.Status, len(s.pods())
		if status.ObservedGeneration != d.Generation || status.UpdatedReplicas != want || status.ReadyReplicas != want || pods != int(want) {
			return fmt.Errorf("%d replicas updated, %d ready, %d pods: must be %d", status.UpdatedReplicas, status.ReadyReplicas, pods, want)
		}
		return nil
	})
}
