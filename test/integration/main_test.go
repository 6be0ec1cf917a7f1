// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package integration runs elector against a real kube-apiserver and etcd.
package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/kube-elector/elector/test/harness"
)

// restConfig reaches the control plane that all tests of this package share, as an administrator. Copy it
// (rest.CopyConfig) before changing anything.
var restConfig *rest.Config

// unsynced are goroutines of controller-runtime v0.25's caches that outlive their manager. Those for some namespaces
// wait for informers to sync, for ever if the manager was stopped before. The watch of an informer of metadata hands on
// its last event, for ever if the informer was stopped before.
var unsynced = []goleak.Option{
	goleak.IgnoreTopFunction("sigs.k8s.io/controller-runtime/pkg/cache.newMultiNamespaceInformer.func1"),
	goleak.IgnoreTopFunction("sigs.k8s.io/controller-runtime/pkg/cache.newMultiNamespaceInformerHandlerRegistration.func1"),
	goleak.IgnoreTopFunction("k8s.io/apimachinery/pkg/watch.(*filteredWatch).loop"),
	goleak.IgnoreTopFunction("sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue.(*priorityqueue[...]).handleReadyItems.func1.1"),
}

func TestMain(m *testing.M) {
	if err := run(m); err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		os.Exit(1)
	}
}

func run(m *testing.M) (err error) {
	assets, err := harness.Assets()
	if err != nil {
		return err
	}
	plane := &envtest.Environment{BinaryAssetsDirectory: assets}
	defer func() {
		// Stopping the control plane ends the connections of all clients. So goroutines are counted last.
		err = errors.Join(err, plane.Stop(), goleak.Find(unsynced...))
	}()
	if restConfig, err = plane.Start(); err != nil {
		return fmt.Errorf("starting the control plane in %s: %w", assets, err)
	}
	if code := m.Run(); code != 0 {
		return fmt.Errorf("tests failed with code %d", code)
	}
	return nil
}

// namespace creates a namespace for one test and deletes it when the test ends.
func namespace(t *testing.T) string {
	t.Helper()
	client, err := kubernetes.NewForConfig(restConfig)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	created, err := client.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("creating a namespace: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := client.CoreV1().Namespaces().Delete(ctx, created.Name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("deleting namespace %s: %v", created.Name, err)
		}
	})
	return created.Name
}
