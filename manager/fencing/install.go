// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// YAML returns the objects in the form that kubectl apply takes.
func YAML(objects ...client.Object) (string, error) {
	var out strings.Builder
	for _, object := range objects {
		u, err := plain(object)
		if err != nil {
			return "", err
		}
		text, err := yaml.Marshal(u.Object)
		if err != nil {
			return "", fmt.Errorf("fencing: %s: %w", object.GetName(), err)
		}
		out.WriteString("---\n")
		out.Write(text)
	}
	return out.String(), nil
}

// Install creates the objects, or changes those in the cluster into what they are here, by server-side apply. It also
// takes out what others have added to their specs, such as a condition under which a policy does not apply. They are in
// force about a second later. Install needs the permissions to create and patch validatingadmissionpolicies and
// validatingadmissionpolicybindings, and for Holder, because the API server demands it, to get all Leases of the
// cluster.
func Install(ctx context.Context, c client.Client, objects ...client.Object) error {
	for _, object := range objects {
		u, err := plain(object)
		if err != nil {
			return err
		}
		// Apply leaves in lists what other field owners have added.
		err = c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(suffix), client.ForceOwnership)
		if err == nil {
			err = replaceSpec(ctx, c, object, u)
		}
		if err != nil {
			return fmt.Errorf("fencing: install %s %s: %w", u.GetKind(), u.GetName(), unsupported(err))
		}
	}
	return nil
}

// unsupported returns err, with what is needed if the API server does not know the kind of an object.
func unsupported(err error) error {
	if meta.IsNoMatchError(err) {
		return fmt.Errorf("the API server must be version 1.30 or later and serve admissionregistration.k8s.io/v1: %w", err)
	}
	return err
}

// replaceSpec makes the object's spec that of the object in the cluster, live, if it differs.
func replaceSpec(ctx context.Context, c client.Client, object client.Object, live *unstructured.Unstructured) error {
	differing, err := differences(object, live)
	if err != nil || len(differing) == 0 {
		return err
	}
	want, err := plain(object)
	if err != nil {
		return err
	}
	patch, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/spec", "value": want.Object["spec"]}})
	if err != nil {
		return err
	}
	return c.Patch(ctx, live, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(suffix))
}

// ErrNotInstalled is returned by Installed.
var ErrNotInstalled = errors.New("the fencing policies are not installed")

// Installed compares the objects in the cluster with what they are here. It returns nil if their specs are the same, an
// error that is ErrNotInstalled and names every difference if one is missing, has other settings or was edited, and the
// API server's own error if that does not answer. It needs the permission to get them.
func Installed(ctx context.Context, c client.Client, objects ...client.Object) error {
	var faults []error
	for _, object := range objects {
		u, err := plain(object)
		if err != nil {
			return err
		}
		name := u.GetKind() + " " + u.GetName()
		switch err := c.Get(ctx, client.ObjectKeyFromObject(object), u); {
		case apierrors.IsNotFound(err):
			faults = append(faults, fmt.Errorf("%s does not exist", name))
			continue
		case err != nil:
			return fmt.Errorf("fencing: look for %s: %w", name, unsupported(err))
		}
		differing, err := differences(object, u)
		if err != nil {
			return fmt.Errorf("fencing: compare %s: %w", name, err)
		}
		for _, difference := range differing {
			faults = append(faults, fmt.Errorf("%s: %s", name, difference))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%w", ErrNotInstalled, errors.Join(faults...))
}

// differences returns how the spec of the object in the cluster, live, differs from the object's. What only a later API
// server knows of is not looked at.
func differences(object client.Object, live *unstructured.Unstructured) ([]string, error) {
	known := reflect.New(reflect.TypeOf(object).Elem()).Interface().(client.Object)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, known); err != nil {
		return nil, err
	}
	got, err := plain(known)
	if err != nil {
		return nil, err
	}
	want, err := plain(object)
	if err != nil {
		return nil, err
	}
	return unequal("spec", got.Object["spec"], want.Object["spec"]), nil
}

// unequal returns the paths below path at which two values differ, with both values.
func unequal(path string, got, want any) []string {
	g, gotMap := got.(map[string]any)
	w, wantMap := want.(map[string]any)
	if !gotMap || !wantMap {
		if reflect.DeepEqual(got, want) {
			return nil
		}
		return []string{fmt.Sprintf("%s is %s instead of %s", path, text(got), text(want))}
	}
	keys := maps.Clone(g)
	maps.Copy(keys, w)
	var all []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		all = append(all, unequal(path+"."+key, g[key], w[key])...)
	}
	return all
}

func text(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(data)
}

// Uninstall deletes the objects, bindings first, except the keeper (see [KeeperName]). Objects that do not exist are
// passed over.
func Uninstall(ctx context.Context, c client.Client, objects ...client.Object) error {
	var bindings, policies []client.Object
	for _, object := range objects {
		switch _, isBinding := object.(*admissionv1.ValidatingAdmissionPolicyBinding); {
		case object.GetName() == KeeperName:
		case isBinding:
			bindings = append(bindings, object)
		default:
			policies = append(policies, object)
		}
	}
	for _, object := range append(bindings, policies...) {
		u, err := plain(object)
		if err != nil {
			return err
		}
		if err := c.Delete(ctx, u); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("fencing: uninstall %s %s: %w", u.GetKind(), u.GetName(), err)
		}
	}
	return nil
}

// plain returns the object without what is not meant to be applied, such as what the API server has answered to its
// creation. Its type need not be in the scheme of the caller's client, and its kind need not be set: typed clients
// clear that.
func plain(object client.Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("fencing: %s: %w", object.GetName(), err)
	}
	if kind := kindOf(object); kind != "" {
		content["apiVersion"], content["kind"] = admissionv1.SchemeGroupVersion.String(), kind
	}
	delete(content, "status")
	for _, field := range []string{"creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"} {
		unstructured.RemoveNestedField(content, "metadata", field)
	}
	return &unstructured.Unstructured{Object: content}, nil
}

// kindOf returns the kind of what Objects returns, "" for other objects.
func kindOf(object client.Object) string {
	switch object.(type) {
	case *admissionv1.ValidatingAdmissionPolicy:
		return "ValidatingAdmissionPolicy"
	case *admissionv1.ValidatingAdmissionPolicyBinding:
		return "ValidatingAdmissionPolicyBinding"
	}
	return ""
}
