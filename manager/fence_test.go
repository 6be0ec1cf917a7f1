// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
	"github.com/kube-elector/elector/manager/fencing"
)

// inTerm has f called in a bubble, in a term of an Elector that is stopped
// afterwards, with the term's context.
func inTerm(t *testing.T, f func(t *testing.T, ctx context.Context, e *elector.Elector)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		terms := make(chan context.Context, 1)
		e, err := elector.New(&elector.Config{Enabled: true, LeaseName: "l", LeaseNamespace: "n"},
			leasetest.NewServer().Client("a"),
			elector.Callbacks{OnStartedLeading: func(ctx context.Context) { terms <- ctx; <-ctx.Done() }}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		run := begin(e.Start)
		f(t, <-terms, e)
		run.stop()
		if err := run.wait(); err != nil {
			t.Fatal(err)
		}
	})
}

// refusedBy is the API server's error when that policy refuses a write.
func refusedBy(p fencing.Policy) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Reason: metav1.StatusReasonForbidden, Code: 403,
		Message: `configmaps "a" is forbidden: ValidatingAdmissionPolicy '` + string(p) + `.l.n.fencing.kube-elector.io' with binding 'x' denied request: no`,
	}}
}

func TestRefusedWritesFailWithErrRefusedAndOnlyHolderIsAskedAgain(t *testing.T) {
	for policy, again := range map[fencing.Policy]bool{fencing.Holder: true, fencing.Epoch: false, fencing.Guard: false} {
		inTerm(t, func(t *testing.T, ctx context.Context, e *elector.Elector) {
			for name, write := range writes {
				var sent int
				began := time.Now()
				err := write(ctx, Fenced(recordingClient(func(context.Context) error { sent++; return refusedBy(policy) }), e))
				took := time.Since(began)
				if !errors.Is(err, fencing.ErrRefused) || !fencing.IsRefused(err) || errors.Is(err, reconcile.TerminalError(nil)) {
					t.Errorf("%s, %s: %v, want ErrRefused, not terminal while the term lasts", policy, name, err)
				}
				if again && (sent < 5 || took < time.Second || took > 3*time.Second) || !again && (sent != 1 || took != 0) {
					t.Errorf("%s, %s: sent %d times in %v", policy, name, sent, took)
				}
			}
		})
	}
}

func TestWriteThatHolderRefusesAtFirstSucceeds(t *testing.T) {
	inTerm(t, func(t *testing.T, ctx context.Context, e *elector.Elector) {
		for name, write := range writes {
			var sent int
			err := write(ctx, Fenced(recordingClient(func(context.Context) error {
				if sent++; sent < 4 {
					return refusedBy(fencing.Holder)
				}
				return nil
			}), e))
			if err != nil || sent != 4 {
				t.Errorf("%s: %v after %d times", name, err, sent)
			}
		}
	})
}

func TestRefusalAfterTheTermIsTerminal(t *testing.T) {
	inTerm(t, func(t *testing.T, ctx context.Context, e *elector.Elector) {
		var sent int
		err := Fenced(recordingClient(func(context.Context) error {
			sent++
			_ = e.StepDown(t.Context()) // the term ends while the request is under way
			return refusedBy(fencing.Holder)
		}), nil).Create(ctx, &corev1.Pod{})
		if !errors.Is(err, fencing.ErrRefused) || !errors.Is(err, reconcile.TerminalError(nil)) || sent != 1 {
			t.Errorf("%v after %d times, want ErrRefused and a TerminalError at once", err, sent)
		}
	})
}

// sentObjects keeps the metadata of what is sent.
func sentObjects(sent *[]map[string]any) client.Client {
	keep := func(obj any) error {
		text, err := json.Marshal(obj)
		if err != nil {
			return err
		}
		var content map[string]any
		*sent = append(*sent, content)
		return json.Unmarshal(text, &(*sent)[len(*sent)-1])
	}
	patch := func(obj client.Object, patch client.Patch) error {
		data, err := patch.Data(obj)
		if err != nil {
			return err
		}
		return keep(json.RawMessage(data))
	}
	return interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		Create: func(_ context.Context, _ client.WithWatch, obj client.Object, _ ...client.CreateOption) error {
			return keep(obj)
		},
		Update: func(_ context.Context, _ client.WithWatch, obj client.Object, _ ...client.UpdateOption) error {
			return keep(obj)
		},
		Patch: func(_ context.Context, _ client.WithWatch, obj client.Object, p client.Patch, _ ...client.PatchOption) error {
			return patch(obj, p)
		},
		Apply: func(_ context.Context, _ client.WithWatch, obj runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
			return keep(obj)
		},
		SubResourceUpdate: func(_ context.Context, _ client.Client, _ string, obj client.Object, _ ...client.SubResourceUpdateOption) error {
			return keep(obj)
		},
		SubResourcePatch: func(_ context.Context, _ client.Client, _ string, obj client.Object, p client.Patch, _ ...client.SubResourcePatchOption) error {
			return patch(obj, p)
		},
		SubResourceApply: func(_ context.Context, _ client.Client, _ string, obj runtime.ApplyConfiguration, _ ...client.SubResourceApplyOption) error {
			return keep(obj)
		},
	})
}

func TestStampingWritesTheTermsToken(t *testing.T) {
	inTerm(t, func(t *testing.T, ctx context.Context, e *elector.Elector) {
		term, _ := elector.TermFromContext(ctx)
		var sent []map[string]any
		c := Fenced(sentObjects(&sent), e, Stamping(&corev1.Pod{}))
		old := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"other": "kept", fencing.TokenAnnotation: string(term.Token)}}}
		bare := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod"}}
		for name, test := range map[string]struct {
			write   func() error
			stamped bool
		}{
			"Create":              {func() error { return c.Create(ctx, &corev1.Pod{}) }, true},
			"Update":              {func() error { return c.Update(ctx, old.DeepCopy()) }, true},
			"Update unstructured": {func() error { return c.Update(ctx, bare.DeepCopy()) }, true},
			// A difference to a copy that has the token already.
			"Patch":           {func() error { return c.Patch(ctx, old.DeepCopy(), client.MergeFrom(old)) }, true},
			"strategic Patch": {func() error { return c.Patch(ctx, old.DeepCopy(), client.StrategicMergeFrom(old)) }, true},
			"Patch to no annotations": {func() error {
				return c.Patch(ctx, &corev1.Pod{}, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":null}}`)))
			}, true},
			"Apply": {func() error {
				return c.Apply(ctx, applycorev1.Pod("p", "n").WithAnnotations(map[string]string{"a": "b"}))
			}, true},
			"Apply unstructured": {func() error { return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(bare.DeepCopy())) }, true},
			"Status().Update":    {func() error { return c.Status().Update(ctx, &corev1.Pod{}) }, true},
			"Status().Patch":     {func() error { return c.Status().Patch(ctx, old.DeepCopy(), client.MergeFrom(old)) }, true},
			"Status().Apply":     {func() error { return c.Status().Apply(ctx, applycorev1.Pod("p", "n")) }, true},
			"other subresource":  {func() error { return c.SubResource("resize").Update(ctx, &corev1.Pod{}) }, false},
			"other type":         {func() error { return c.Create(ctx, &appsv1.Deployment{}) }, false},
			"other type, Apply":  {func() error { return c.Apply(ctx, applycorev1.ConfigMap("p", "n")) }, false},
			"not in a term":      {func() error { return c.Create(t.Context(), &corev1.Pod{}) }, false},
		} {
			sent = nil
			if err := test.write(); err != nil || len(sent) != 1 {
				t.Errorf("%s: %v, %d writes were sent", name, err, len(sent))
				continue
			}
			token, found, _ := unstructured.NestedString(sent[0], "metadata", "annotations", fencing.TokenAnnotation)
			if found != test.stamped || found && token != string(term.Token) {
				t.Errorf("%s: sent %v, want the token %s: %v", name, sent[0], term.Token, test.stamped)
			}
		}
		err := c.Patch(ctx, &corev1.Pod{}, client.RawPatch(types.JSONPatchType, []byte(`[]`)))
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("a JSON patch: %v, want ErrUnsupported", err)
		}
		sent = nil
		if err := fencing.Touch(ctx, c, &corev1.Pod{}, &appsv1.Deployment{}); err != nil || len(sent) != 2 {
			t.Errorf("Touch: %v, %d writes were sent", err, len(sent))
		}
		for _, content := range sent {
			if token, _, _ := unstructured.NestedString(content, "metadata", "annotations", fencing.TokenAnnotation); token != string(term.Token) {
				t.Errorf("Touch sent %v", content)
			}
		}
		if err := fencing.Touch(t.Context(), c, &corev1.Pod{}); err == nil {
			t.Error("Touch did nothing in no term, and returned no error")
		}
	})
}

func TestStampingKeepsNumbers(t *testing.T) {
	const content = `{"spec":{"float":0.1,"large":9007199254740993}}` // 2^53+1, which is no float64
	inTerm(t, func(t *testing.T, ctx context.Context, e *elector.Elector) {
		var sent []string
		c := Fenced(interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
			Patch: func(_ context.Context, _ client.WithWatch, obj client.Object, p client.Patch, _ ...client.PatchOption) error {
				data, err := p.Data(obj)
				sent = append(sent, string(data))
				return err
			},
			Apply: func(_ context.Context, _ client.WithWatch, obj runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
				data, err := json.Marshal(obj)
				sent = append(sent, string(data))
				return err
			},
		}), e, Stamping(&corev1.Pod{}))
		applied := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Pod", "spec": map[string]any{"float": 0.1, "large": int64(9007199254740993)},
		}}
		if err := errors.Join(
			c.Patch(ctx, &corev1.Pod{}, client.RawPatch(types.MergePatchType, []byte(content))),
			c.Apply(ctx, client.ApplyConfigurationFromUnstructured(applied)),
		); err != nil || len(sent) != 2 {
			t.Fatalf("%v, %d writes were sent", err, len(sent))
		}
		for _, data := range sent {
			if !strings.Contains(data, content[1:len(content)-1]) || !strings.Contains(data, fencing.TokenAnnotation) {
				t.Errorf("sent %s, want the token and %s in it", data, content)
			}
		}
	})
}
