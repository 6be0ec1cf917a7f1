// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/elector"
)

// hungClient ignores the contexts of its requests.
type hungClient struct {
	client.Client
	requests atomic.Int64
	answer   chan struct{}
}

func (c *hungClient) hang() error {
	c.requests.Add(1)
	<-c.answer
	return errors.New("answered")
}

func (c *hungClient) Create(context.Context, client.Object, ...client.CreateOption) error {
	return c.hang()
}

func (c *hungClient) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return c.hang()
}

func (c *hungClient) Apply(context.Context, runtime.ApplyConfiguration, ...client.ApplyOption) error {
	return c.hang()
}

func (c *hungClient) RESTMapper() meta.RESTMapper { return meta.NewDefaultRESTMapper(nil) }

func TestRequestsForFencingThatHangKeepNothingWaiting(t *testing.T) {
	for name, ask := range map[string]func(m *Manager, ctx context.Context) error{
		"the check":        (*Manager).checkFencing,
		"the installation": func(m *Manager, ctx context.Context) error { m.install(ctx); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var buffer logged
				c := &hungClient{answer: make(chan struct{})}
				policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
				m := &Manager{gate: NewGate(jsonLogger(&buffer)), fencer: &fencer{client: c, objects: []client.Object{policy}}}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- ask(m, ctx) }()
				time.Sleep(time.Hour)
				if n := c.requests.Load(); n != maxHung {
					t.Errorf("%d requests hang, want %d", n, maxHung)
				}
				if !strings.Contains(buffer.String(), elector.ErrRequestHung.Error()) || !strings.Contains(buffer.String(), "token source") {
					t.Errorf("the log does not name the culprit:\n%s", buffer.String())
				}
				stopped := time.Now()
				cancel()
				if err := <-ended; err != nil || time.Since(stopped) > time.Second {
					t.Errorf("ended after %v with %v", time.Since(stopped), err)
				}
				close(c.answer)
			})
		})
	}
}
