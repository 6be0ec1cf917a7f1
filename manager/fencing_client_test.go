// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

// remaining is a Leadership.
type remaining time.Duration

func (r remaining) Remaining() time.Duration { return time.Duration(r) }

// writes are all ways to write by a client.Client.
var writes = map[string]func(context.Context, client.Client) error{
	"Create":      func(ctx context.Context, c client.Client) error { return c.Create(ctx, &corev1.Pod{}) },
	"Update":      func(ctx context.Context, c client.Client) error { return c.Update(ctx, &corev1.Pod{}) },
	"Patch":       func(ctx context.Context, c client.Client) error { return c.Patch(ctx, &corev1.Pod{}, client.Merge) },
	"Apply":       func(ctx context.Context, c client.Client) error { return c.Apply(ctx, applycorev1.Pod("p", "n")) },
	"Delete":      func(ctx context.Context, c client.Client) error { return c.Delete(ctx, &corev1.Pod{}) },
	"DeleteAllOf": func(ctx context.Context, c client.Client) error { return c.DeleteAllOf(ctx, &corev1.Pod{}) },
	"Status().Create": func(ctx context.Context, c client.Client) error {
		return c.Status().Create(ctx, &corev1.Pod{}, &corev1.Pod{})
	},
	"Status().Update": func(ctx context.Context, c client.Client) error { return c.Status().Update(ctx, &corev1.Pod{}) },
	"Status().Patch": func(ctx context.Context, c client.Client) error {
		return c.Status().Patch(ctx, &corev1.Pod{}, client.Merge)
	},
	"Status().Apply": func(ctx context.Context, c client.Client) error {
		return c.Status().Apply(ctx, applycorev1.Pod("p", "n"))
	},
	"SubResource().Create": func(ctx context.Context, c client.Client) error {
		return c.SubResource("scale").Create(ctx, &corev1.Pod{}, &corev1.Pod{})
	},
	"SubResource().Update": func(ctx context.Context, c client.Client) error {
		return c.SubResource("scale").Update(ctx, &corev1.Pod{})
	},
	"SubResource().Patch": func(ctx context.Context, c client.Client) error {
		return c.SubResource("scale").Patch(ctx, &corev1.Pod{}, client.Merge)
	},
	"SubResource().Apply": func(ctx context.Context, c client.Client) error {
		return c.SubResource("scale").Apply(ctx, applycorev1.Pod("p", "n"))
	},
}

// recordingClient has write called for every write instead of doing it, and lets no read through.
func recordingClient(write func(context.Context) error) client.Client {
	read := errors.New("read")
	return interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return read
		},
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return read },
		SubResourceGet: func(context.Context, client.Client, string, client.Object, client.Object, ...client.SubResourceGetOption) error {
			return read
		},
		Create: func(ctx context.Context, _ client.WithWatch, _ client.Object, _ ...client.CreateOption) error {
			return write(ctx)
		},
		Delete: func(ctx context.Context, _ client.WithWatch, _ client.Object, _ ...client.DeleteOption) error {
			return write(ctx)
		},
		DeleteAllOf: func(ctx context.Context, _ client.WithWatch, _ client.Object, _ ...client.DeleteAllOfOption) error {
			return write(ctx)
		},
		Update: func(ctx context.Context, _ client.WithWatch, _ client.Object, _ ...client.UpdateOption) error {
			return write(ctx)
		},
		Patch: func(ctx context.Context, _ client.WithWatch, _ client.Object, _ client.Patch, _ ...client.PatchOption) error {
			return write(ctx)
		},
		Apply: func(ctx context.Context, _ client.WithWatch, _ runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
			return write(ctx)
		},
		SubResourceCreate: func(ctx context.Context, _ client.Client, _ string, _, _ client.Object, _ ...client.SubResourceCreateOption) error {
			return write(ctx)
		},
		SubResourceUpdate: func(ctx context.Context, _ client.Client, _ string, _ client.Object, _ ...client.SubResourceUpdateOption) error {
			return write(ctx)
		},
		SubResourcePatch: func(ctx context.Context, _ client.Client, _ string, _ client.Object, _ client.Patch, _ ...client.SubResourcePatchOption) error {
			return write(ctx)
		},
		SubResourceApply: func(ctx context.Context, _ client.Client, _ string, _ runtime.ApplyConfiguration, _ ...client.SubResourceApplyOption) error {
			return write(ctx)
		},
	})
}

func TestNoWriteIsSentThatTheTermDoesNotCover(t *testing.T) {
	c := Fenced(recordingClient(func(context.Context) error {
		t.Error("sent all the same")
		return nil
	}), remaining(WriteTime-1))
	for name, write := range writes {
		err := write(t.Context(), c)
		if !errors.Is(err, ErrNotLeading) {
			t.Errorf("%s: %v, want ErrNotLeading", name, err)
		}
		if errors.Is(err, reconcile.TerminalError(nil)) {
			t.Errorf("%s: %v is terminal, though the term may go on", name, err)
		}
	}
}

func TestEveryWriteIsBoundedByTheTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, write := range writes {
			sent := false
			c := Fenced(recordingClient(func(ctx context.Context) error {
				sent = true
				<-ctx.Done()
				return ctx.Err()
			}), remaining(time.Second))
			start := time.Now()
			err := write(t.Context(), c)
			if took := time.Since(start); !sent || took != time.Second {
				t.Errorf("%s: sent %v, took %v, want it cut off after 1s", name, sent, took)
			}
			if !errors.Is(err, ErrNotLeading) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v, want ErrNotLeading and DeadlineExceeded", name, err)
			}
		}
	})
}

func TestErrorsOfTheServerAndTheCallerPassUnchanged(t *testing.T) {
	conflict := errors.New("conflict")
	c := Fenced(recordingClient(func(context.Context) error { return conflict }), remaining(math.MaxInt64))
	for name, write := range writes {
		if err := write(t.Context(), c); err != conflict {
			t.Errorf("%s: %v, want the server's error", name, err)
		}
	}
	c = Fenced(recordingClient(func(ctx context.Context) error { return ctx.Err() }), remaining(time.Second))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, write := range writes {
		if err := write(ctx, c); err != context.Canceled {
			t.Errorf("%s: %v, want the caller's cancellation", name, err)
		}
	}
}

func TestReadsAreNotFenced(t *testing.T) {
	c := Fenced(recordingClient(nil), remaining(0), nil)
	for name, err := range map[string]error{
		"Get":             c.Get(t.Context(), client.ObjectKey{}, &corev1.Pod{}),
		"List":            c.List(t.Context(), &corev1.PodList{}),
		"SubResource.Get": c.SubResource("scale").Get(t.Context(), &corev1.Pod{}, &corev1.Pod{}),
	} {
		if err == nil || err.Error() != "read" {
			t.Errorf("%s: %v, want it to reach the client", name, err)
		}
	}
}

func TestWithoutAnyTermNothingIsWritten(t *testing.T) {
	c := Fenced(recordingClient(func(context.Context) error { t.Error("sent"); return nil }), nil)
	if err := c.Create(t.Context(), &corev1.Pod{}); !errors.Is(err, ErrNotLeading) {
		t.Errorf("%v, want ErrNotLeading", err)
	}
}

// A request of an earlier term must not pass because a later term has begun in the same process.
func TestWriteNeedsTheTermOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		terms := make(chan context.Context, 2)
		e, err := elector.New(&elector.Config{Enabled: true, LeaseName: "l", LeaseNamespace: "n"},
			leasetest.NewServer().Client("a"),
			elector.Callbacks{OnStartedLeading: func(ctx context.Context) { terms <- ctx; <-ctx.Done() }}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		run := begin(e.Start)
		writes := 0
		inner := recordingClient(func(context.Context) error { writes++; return nil })
		first := <-terms
		for _, lead := range []Leadership{nil, e} {
			if err := Fenced(inner, lead).Create(first, &corev1.Pod{}); err != nil {
				t.Errorf("in the first term: %v", err)
			}
		}
		if err := e.StepDown(t.Context()); err != nil {
			t.Fatal(err)
		}
		second := <-terms
		old := context.WithoutCancel(first)
		for _, lead := range []Leadership{nil, e} {
			err := Fenced(inner, lead).Create(old, &corev1.Pod{})
			if !errors.Is(err, ErrNotLeading) || !errors.Is(err, reconcile.TerminalError(nil)) {
				t.Errorf("for the first term, in the second: %v, want ErrNotLeading and a TerminalError", err)
			}
			if err := Fenced(inner, lead).Create(second, &corev1.Pod{}); err != nil {
				t.Errorf("in the second term: %v", err)
			}
		}
		if writes != 4 {
			t.Errorf("%d writes were sent, want 4", writes)
		}
		run.stop()
		if err := run.wait(); err != nil {
			t.Fatal(err)
		}
	})
}
