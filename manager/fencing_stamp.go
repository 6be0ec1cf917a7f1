// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager/fencing"
	"github.com/kube-elector/elector/manager/internal/builtin"
)

// FenceOption changes what Fenced makes.
type FenceOption func(*fence)

// Stamping makes a fenced client write the token of the request's term, for the policy [fencing.Epoch], into the
// annotation [fencing.TokenAnnotation] of objects of these types when it creates, updates, patches or applies them or
// their status. Nothing is read from the fields of types. The token is that of the term in the request's context, or
// else of the Elector or Term that [Fenced] was given. A request without a token is not stamped.
//
// The annotation stays in the object that was passed in, even if the write fails. Numbers and all else are sent as they
// were given. Patches that cannot carry the annotation, JSON patches among them, fail with errors.ErrUnsupported. A
// client.RawPatch in which the annotations are null leaves those that there are; client.MergeFrom removes them.
//
// All field owners of an object apply the same annotation, and in a new term its value is another. An apply that
// conflicts over the token is therefore sent again, once a patch has written the token and thereby taken it from the
// other owners. That patch may stay when the apply then fails. No other field is forced. If another owner still applies
// an object without this client, it must leave the annotation out.
//
// Subresources other than status are not stamped, because their bodies (such as a Scale or an Eviction) do not carry an
// object's annotations. Nor is the status of types whose API group is not part of Kubernetes, because the API server
// drops annotations from what is written to the status of a custom resource: see [fencing.Settings.StatusToken] and
// [StampingEpoch].
func Stamping(types ...client.Object) FenceOption {
	return func(f *fence) {
		for _, obj := range types {
			if obj != nil {
				f.stamped = append(f.stamped, obj)
			}
		}
	}
}

// StampingEpoch makes a fenced client stamp, as [Stamping] does, the types of all resources whose tokens the policy
// [fencing.Epoch] compares under these settings. In writes of a custom resource's status it writes the token into the
// field [fencing.Settings.StatusToken] instead. A typed object must have that field, or it is not written.
func StampingEpoch(s fencing.Settings) FenceOption {
	return func(f *fence) { f.epochs = append(f.epochs, s) }
}

// stamp is what one request writes beside the caller's fields.
type stamp struct {
	token     elector.Token // "" for nothing
	annotated bool          // the annotation gets it
	status    string        // the field of status that gets it; "" for none
}

// empty reports whether the request is sent as it is.
func (s stamp) empty() bool { return s.token == "" || !s.annotated && s.status == "" }

func stampError(err error) error { return fmt.Errorf("stamp with the fencing token: %w", err) }

// object stamps obj.
func (s stamp) object(obj client.Object) error {
	if s.empty() {
		return nil
	}
	s.annotate(obj)
	if s.status == "" {
		return nil
	}
	if u, ok := obj.(runtime.Unstructured); ok {
		return unstructured.SetNestedField(u.UnstructuredContent(), string(s.token), "status", s.status)
	}
	return s.typed(obj)
}

// annotated is implemented by objects and by apply configurations made from unstructured ones.
type annotated interface {
	GetAnnotations() map[string]string
	SetAnnotations(map[string]string)
}

// annotate leaves the map as it was: other objects may share it.
func (s stamp) annotate(obj annotated) {
	if !s.annotated {
		return
	}
	annotations := maps.Clone(obj.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[fencing.TokenAnnotation] = string(s.token)
	obj.SetAnnotations(annotations)
}

// typed decodes the stamp into obj, whose other fields stay as they are.
func (s stamp) typed(obj any) error {
	data, err := s.data(nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, obj); err != nil {
		return stampError(err)
	}
	return nil
}

// configuration stamps what is applied.
func (s stamp) configuration(obj runtime.ApplyConfiguration) error {
	if s.empty() {
		return nil
	}
	u, ok := obj.(interface {
		annotated
		UnstructuredContent() map[string]any
	})
	if !ok {
		return s.typed(obj)
	}
	s.annotate(u)
	if s.status == "" {
		return nil
	}
	return unstructured.SetNestedField(u.UnstructuredContent(), string(s.token), "status", s.status)
}

// patch returns the patch with the stamp in it. A difference to an old copy of the object would not contain the token
// if the copy has it already, and that is the write to refuse.
func (s stamp) patch(obj client.Object, patch client.Patch) (client.Patch, error) {
	if s.empty() {
		return patch, nil
	}
	switch patch.Type() {
	case types.MergePatchType, types.StrategicMergePatchType, types.ApplyYAMLPatchType:
		return stampedPatch{patch, s}, nil
	case types.JSONPatchType:
		return nil, fmt.Errorf("a JSON patch of %T cannot carry the fencing token, use another type of patch: %w", obj, errors.ErrUnsupported)
	}
	return nil, fmt.Errorf("a patch of %T of type %s cannot carry the fencing token, use another type of patch: %w", obj, patch.Type(), errors.ErrUnsupported)
}

type stampedPatch struct {
	client.Patch
	stamp stamp
}

func (p stampedPatch) Data(obj client.Object) ([]byte, error) {
	// A difference to an object that has annotations, where obj has none left, would be null for all of them. With the
	// stamp in obj it is null for each.
	stamped, ok := obj.DeepCopyObject().(client.Object)
	if !ok {
		return nil, stampError(fmt.Errorf("a copy of %T is no object", obj))
	}
	if err := p.stamp.object(stamped); err != nil {
		return nil, err
	}
	data, err := p.Patch.Data(stamped)
	if err != nil {
		return nil, err
	}
	return p.stamp.data(data)
}

// data returns the object in JSON or YAML, or nil for an empty one, as JSON with the stamp in it.
func (s stamp) data(data []byte) ([]byte, error) {
	data, err := asJSON(data)
	if err == nil && s.annotated {
		data, err = with(data, string(s.token), "metadata", "annotations", fencing.TokenAnnotation)
	}
	if err == nil && s.status != "" {
		data, err = with(data, string(s.token), "status", s.status)
	}
	if err != nil {
		return nil, stampError(err)
	}
	return data, nil
}

// asJSON returns the data of a patch as JSON. An apply may be YAML, as which the API server reads it.
func asJSON(data []byte) ([]byte, error) {
	if data == nil || json.Valid(data) {
		return data, nil
	}
	return yaml.YAMLToJSON(data)
}

// with returns the JSON object with the value at a path, on which null counts as empty. All else is left undecoded, so
// that no number changes.
func with(data []byte, value string, path ...string) ([]byte, error) {
	if len(path) == 0 {
		return json.Marshal(value)
	}
	var object map[string]json.RawMessage
	if data != nil {
		if err := json.Unmarshal(data, &object); err != nil {
			return nil, err
		}
	}
	if object == nil {
		object = map[string]json.RawMessage{}
	}
	inner, err := with(object[path[0]], value, path[1:]...)
	if err != nil {
		return nil, err
	}
	object[path[0]] = inner
	return json.Marshal(object)
}

// token returns that of the request's term.
func (f *fence) token(ctx context.Context) elector.Token {
	if term, ok := elector.TermFromContext(ctx); ok {
		return term.Token
	}
	switch lead := f.lead.(type) {
	case elector.Term:
		return lead.Token
	case interface{ Term() (elector.Term, bool) }:
		term, _ := lead.Term()
		return term.Token
	}
	return ""
}

// stampFor returns the stamp of a request, an empty one if it gets none.
func (f *fence) stampFor(ctx context.Context, t target) (stamp, error) {
	token := f.token(ctx)
	if token == "" || t.kind.Empty() {
		return stamp{}, nil
	}
	// The status of a custom resource carries no annotation. API servers before 1.36 drop it, too, but not its
	// ownership, over which another field owner's apply then conflicts for ever.
	s := stamp{annotated: !f.status || builtin.Types().IsGroupRegistered(t.kind.Group)}
	for _, obj := range f.stamped {
		kind, err := f.c.GroupVersionKindFor(obj)
		if err != nil {
			return stamp{}, stampError(err)
		}
		if kind.GroupKind() == t.kind.GroupKind() {
			s.token = token
		}
	}
	if len(f.epochs) == 0 {
		return s, nil
	}
	mapping, err := f.c.RESTMapper().RESTMapping(t.kind.GroupKind(), t.kind.Version)
	switch {
	case meta.IsNoMatchError(err):
		return s, nil // the write fails with this error
	case err != nil:
		return stamp{}, stampError(err)
	}
	for _, settings := range f.epochs {
		field, ok := settings.Stamped(mapping.Resource.GroupResource())
		if ok {
			s.token = token
		}
		if ok && f.status {
			s.status = field
		}
	}
	return s, nil
}
