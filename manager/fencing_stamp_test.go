// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager/fencing"
)

// sentObjects returns a client that keeps what it is given to send.
func sentObjects(sent *[]map[string]any) client.Client {
	return sentTo(fake.NewClientBuilder().Build(), sent)
}

func sentTo(inner client.WithWatch, sent *[]map[string]any) client.Client {
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
	return interceptor.NewClient(inner, interceptor.Funcs{
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
		SubResourceUpdate: func(_ context.Context, _ client.Client, _ string, obj client.Object, options ...client.SubResourceUpdateOption) error {
			o := (&client.SubResourceUpdateOptions{SubResourceBody: obj}).ApplyOptions(options)
			return keep(o.SubResourceBody)
		},
		SubResourcePatch: func(_ context.Context, _ client.Client, _ string, obj client.Object, p client.Patch, options ...client.SubResourcePatchOption) error {
			o := (&client.SubResourcePatchOptions{SubResourceBody: obj}).ApplyOptions(options)
			return patch(o.SubResourceBody, p)
		},
		SubResourceApply: func(_ context.Context, _ client.Client, _ string, obj runtime.ApplyConfiguration, options ...client.SubResourceApplyOption) error {
			o := (&client.SubResourceApplyOptions{SubResourceBody: obj}).ApplyOpts(options)
			return keep(o.SubResourceBody)
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
			"in any term":        {func() error { return c.Create(t.Context(), &corev1.Pod{}) }, true},
			"in no term": {func() error {
				return Fenced(sentObjects(&sent), remaining(time.Hour), Stamping(&corev1.Pod{})).Create(t.Context(), &corev1.Pod{})
			}, false},
			"in a term that was given": {func() error {
				return Fenced(sentObjects(&sent), term, Stamping(&corev1.Pod{})).Create(t.Context(), &corev1.Pod{})
			}, true},
			"Patch of YAML": {func() error {
				return c.Patch(ctx, &corev1.Pod{}, client.RawPatch(types.ApplyYAMLPatchType, []byte("kind: Pod\nmetadata:\n  name: x\n")))
			}, true},
			"Status().Update of a body": {func() error {
				return c.Status().Update(ctx, &corev1.Pod{}, client.WithSubResourceBody(&corev1.Pod{}))
			}, true},
			"Status().Patch of a body": {func() error {
				return c.Status().Patch(ctx, old.DeepCopy(), client.MergeFrom(old), client.WithSubResourceBody(old.DeepCopy()))
			}, true},
			"Status().Apply of a body": {func() error {
				return c.Status().Apply(ctx, applycorev1.Pod("p", "n"), &client.SubResourceApplyOptions{SubResourceBody: applycorev1.Pod("p", "n")})
			}, true},
			"other subresource, its body": {func() error {
				return c.SubResource("scale").Update(ctx, &corev1.Pod{}, client.WithSubResourceBody(&autoscalingv1.Scale{}))
			}, false},
			"other subresource, JSON patch": {func() error {
				return c.SubResource("scale").Patch(ctx, &corev1.Pod{}, client.RawPatch(types.JSONPatchType, []byte(`{}`)))
			}, false},
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

func TestStampedPatchRemovesTheLastAnnotations(t *testing.T) {
	inTerm(t, func(t *testing.T, ctx context.Context, e *elector.Elector) {
		term, _ := elector.TermFromContext(ctx)
		typed := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"a": "1", "b": "2"}}}
		loose := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"annotations": map[string]any{"a": "1", "b": "2"}},
		}}
		var sent []map[string]any
		c := Fenced(sentObjects(&sent), e, Stamping(&corev1.Pod{}))
		for name, patch := range map[string]func(client.Object) client.Patch{
			"merge patch":           client.MergeFrom,
			"strategic merge patch": func(old client.Object) client.Patch { return client.StrategicMergeFrom(old) },
		} {
			for _, old := range []client.Object{typed, loose} {
				sent = nil
				bare := old.DeepCopyObject().(client.Object)
				bare.SetAnnotations(nil)
				err := c.Patch(ctx, bare, patch(old))
				if _, is := old.(*unstructured.Unstructured); is && name != "merge patch" {
					continue // the patch needs a type
				}
				if err != nil || len(sent) != 1 {
					t.Fatalf("%s of %T: %v", name, old, err)
				}
				want := map[string]any{"a": nil, "b": nil, fencing.TokenAnnotation: string(term.Token)}
				if got, _, _ := unstructured.NestedFieldNoCopy(sent[0], "metadata", "annotations"); !reflect.DeepEqual(got, want) {
					t.Errorf("%s of %T: sent %v, want %v", name, old, got, want)
				}
				if len(bare.GetAnnotations()) > 0 {
					t.Errorf("%s of %T: the caller's object has %v", name, old, bare.GetAnnotations())
				}
			}
		}
	})
}

// What is no float64, and what is no int64.
const numbers = `{"spec":{"float":0.1,"large":9007199254740993,"larger":18446744073709551615,"one":1.0,"small":1e-400}}`

func TestStampingKeepsNumbers(t *testing.T) {
	inTerm(t, func(t *testing.T, ctx context.Context, e *elector.Elector) {
		var sent []string
		keep := func(data []byte, err error) error {
			sent = append(sent, string(data))
			return err
		}
		c := Fenced(interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
			Patch: func(_ context.Context, _ client.WithWatch, obj client.Object, p client.Patch, _ ...client.PatchOption) error {
				return keep(p.Data(obj))
			},
			Apply: func(_ context.Context, _ client.WithWatch, obj runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
				return keep(json.Marshal(obj))
			},
			Update: func(_ context.Context, _ client.WithWatch, obj client.Object, _ ...client.UpdateOption) error {
				return keep(json.Marshal(obj))
			},
		}), e, Stamping(&corev1.Pod{}))
		pod := func() *unstructured.Unstructured {
			return &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "v1", "kind": "Pod", "spec": map[string]any{
					"float": 0.1, "large": int64(9007199254740993), "larger": uint64(18446744073709551615), "one": json.Number("1.0"), "small": json.Number("1e-400"),
				},
			}}
		}
		if err := errors.Join(
			c.Patch(ctx, &corev1.Pod{}, client.RawPatch(types.MergePatchType, []byte(numbers))),
			c.Patch(ctx, &corev1.Pod{}, client.RawPatch(types.StrategicMergePatchType, []byte(numbers))),
			c.Patch(ctx, &corev1.Pod{}, client.RawPatch(types.ApplyYAMLPatchType, []byte(numbers))),
			c.Apply(ctx, client.ApplyConfigurationFromUnstructured(pod())),
			c.Update(ctx, pod()),
		); err != nil || len(sent) != 5 {
			t.Fatalf("%v, %d writes were sent", err, len(sent))
		}
		for _, data := range sent {
			if !strings.Contains(data, numbers[1:len(numbers)-1]) || !strings.Contains(data, fencing.TokenAnnotation) {
				t.Errorf("sent %s, want the token and %s in it", data, numbers)
			}
		}
		sent = nil
		text := "spec:\n  large: 9007199254740993\n  larger: 18446744073709551615\n  float: 0.1\n"
		if err := c.Patch(ctx, &corev1.Pod{}, client.RawPatch(types.ApplyYAMLPatchType, []byte(text))); err != nil {
			t.Fatal(err)
		}
		if want := `"spec":{"float":0.1,"large":9007199254740993,"larger":18446744073709551615}`; !strings.Contains(sent[0], want) {
			t.Errorf("of YAML, sent %s, want %s in it", sent[0], want)
		}
	})
}

func TestPatchesThatCannotBeStampedAreRefused(t *testing.T) {
	inTerm(t, func(t *testing.T, ctx context.Context, e *elector.Elector) {
		var sent []map[string]any
		c := Fenced(sentObjects(&sent), e, Stamping(&corev1.Pod{}))
		for _, test := range []struct {
			kind types.PatchType
			data string
			want string
		}{
			{types.JSONPatchType, `[]`, "a JSON patch of *v1.Pod cannot carry the fencing token, use another type of patch"},
			{types.ApplyCBORPatchType, "\xd9\xd9\xf7", "cannot carry the fencing token, use another type of patch"},
			{types.MergePatchType, `[]`, "stamp with the fencing token"},
			{types.MergePatchType, `{"metadata":[]}`, "stamp with the fencing token"},
			{types.ApplyYAMLPatchType, "a: b: c", "stamp with the fencing token"},
			{types.ApplyYAMLPatchType, "- a", "stamp with the fencing token"},
		} {
			err := c.Patch(ctx, &corev1.Pod{}, client.RawPatch(test.kind, []byte(test.data)))
			if err == nil || !strings.Contains(err.Error(), test.want) || len(sent) > 0 {
				t.Errorf("%s %q: %v, %d were sent, want %s", test.kind, test.data, err, len(sent), test.want)
			}
			if unsupported := strings.HasPrefix(test.want, "stamp"); errors.Is(err, errors.ErrUnsupported) == unsupported {
				t.Errorf("%s %q: %v", test.kind, test.data, err)
			}
		}
	})
}

// Objects may share their maps, with a cache for example.
func TestStampingLeavesSharedAnnotationsAlone(t *testing.T) {
	inTerm(t, func(t *testing.T, ctx context.Context, e *elector.Elector) {
		shared := map[string]string{"a": "b"}
		var sent []map[string]any
		c := Fenced(sentObjects(&sent), e, Stamping(&corev1.Pod{}))
		if err := c.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: shared}}); err != nil || len(shared) != 1 {
			t.Errorf("%v, %v", shared, err)
		}
	})
}
