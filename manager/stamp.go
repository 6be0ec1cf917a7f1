// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager/fencing"
)

// FenceOption changes what Fenced makes.
type FenceOption func(*fence)

// Stamping has a fenced client write the token of the request's term, for the
// policy fencing.Epoch, into the annotation fencing.TokenAnnotation of objects
// of these types (of whose fields nothing else is read) when it creates,
// updates, patches or applies them or their status. The annotation stays in the
// object it was given, also if the write fails. JSON patches of these types
// fail with errors.ErrUnsupported: they cannot say that the annotation is to be
// set whether there are others or not. A request whose context is of no term,
// or of one without a token, is not stamped.
//
// The API server drops the annotation from what is written to the status of a
// custom resource: see fencing.Settings.StatusToken.
func Stamping(types ...client.Object) FenceOption {
	return func(f *fence) { f.stamped = append(f.stamped, types...) }
}

// stamper stamps the objects of some types with one token.
type stamper struct {
	kinds sets.Set[schema.GroupKind]
	kind  func(runtime.Object) (schema.GroupVersionKind, error)
	token elector.Token
}

func (s stamper) concerns(obj runtime.Object) (bool, error) {
	if s.token == "" || len(s.kinds) == 0 {
		return false, nil
	}
	gvk, err := s.kind(obj)
	return err == nil && s.kinds.Has(gvk.GroupKind()), err
}

// object stamps obj, if it is of such a type.
func (s stamper) object(obj client.Object) error {
	stamped, err := s.concerns(obj)
	if stamped {
		annotations := obj.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[fencing.TokenAnnotation] = string(s.token)
		obj.SetAnnotations(annotations)
	}
	return err
}

// patch returns the patch with the stamp in it. A difference to what was read
// would not have the stamp if it was there already, in an old copy of the
// object: the very write that is to be refused.
func (s stamper) patch(obj client.Object, patch client.Patch) (client.Patch, error) {
	stamped, err := s.concerns(obj)
	if err != nil || !stamped {
		return patch, err
	}
	if patch.Type() == types.JSONPatchType {
		return nil, fmt.Errorf("a JSON patch of %T cannot carry the fencing token, use another type of patch: %w", obj, errors.ErrUnsupported)
	}
	return stampedPatch{patch, s.token}, nil
}

type stampedPatch struct {
	client.Patch
	token elector.Token
}

func (p stampedPatch) Data(obj client.Object) ([]byte, error) {
	data, err := p.Patch.Data(obj)
	if err != nil {
		return nil, err
	}
	return stampJSON(data, p.token)
}

func stampJSON(data []byte, token elector.Token) ([]byte, error) {
	var content map[string]any
	if err := json.Unmarshal(data, &content); err != nil {
		return nil, fmt.Errorf("stamp with the fencing token: %w", err)
	}
	// Over a null, which would remove all annotations, as well.
	annotations, _, _ := unstructured.NestedMap(content, "metadata", "annotations")
	if annotations == nil {
		annotations = map[string]any{}
	}
	annotations[fencing.TokenAnnotation] = string(token)
	if err := unstructured.SetNestedMap(content, annotations, "metadata", "annotations"); err != nil {
		return nil, fmt.Errorf("stamp with the fencing token: %w", err)
	}
	return json.Marshal(content)
}

// configuration stamps what is to be applied, if it is of such a type.
func (s stamper) configuration(obj runtime.ApplyConfiguration) error {
	if s.token == "" || len(s.kinds) == 0 {
		return nil
	}
	data, err := json.Marshal(obj)
	if err != nil {
		return fmt.Errorf("stamp with the fencing token: %w", err)
	}
	var object unstructured.Unstructured
	if err := json.Unmarshal(data, &object.Object); err != nil {
		return fmt.Errorf("stamp with the fencing token: %w", err)
	}
	if !s.kinds.Has(object.GroupVersionKind().GroupKind()) {
		return nil
	}
	if data, err = stampJSON(data, s.token); err != nil {
		return err
	}
	return json.Unmarshal(data, obj)
}
