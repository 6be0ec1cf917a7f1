// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"context"
	"errors"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// YAML returns the objects as kubectl apply takes them.
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

// Install creates the objects, or changes them into what they are here, by
// server-side apply. They are in force about a second later. It needs the
// permissions to create and patch validatingadmissionpolicies and
// validatingadmissionpolicybindings, and for Holder, as the API server demands,
// to get all Leases of the cluster.
func Install(ctx context.Context, c client.Client, objects ...client.Object) error {
	for _, object := range objects {
		u, err := plain(object)
		if err != nil {
			return err
		}
		if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(suffix), client.ForceOwnership); err != nil {
			return fmt.Errorf("fencing: install %s %s: %w", u.GetKind(), u.GetName(), err)
		}
	}
	return nil
}

// ErrNotInstalled is returned by Installed.
var ErrNotInstalled = errors.New("the fencing policies are not installed")

// Installed returns nil if the objects are in the cluster as they are here, an
// error that is ErrNotInstalled if one is missing or of other settings, and the
// API server's own error if it does not tell. It goes by HashAnnotation.
func Installed(ctx context.Context, c client.Client, objects ...client.Object) error {
	for _, object := range objects {
		u, err := plain(object)
		if err != nil {
			return err
		}
		want := u.GetAnnotations()[HashAnnotation]
		err = c.Get(ctx, client.ObjectKeyFromObject(object), u)
		switch {
		case apierrors.IsNotFound(err):
			return fmt.Errorf("%w: there is no %s %s", ErrNotInstalled, u.GetKind(), u.GetName())
		case err != nil:
			return fmt.Errorf("fencing: look for %s %s: %w", u.GetKind(), u.GetName(), err)
		case u.GetAnnotations()[HashAnnotation] != want:
			return fmt.Errorf("%w: %s %s is of other settings", ErrNotInstalled, u.GetKind(), u.GetName())
		}
	}
	return nil
}

// Uninstall deletes the objects, bindings first, but for the keeper (see
// KeeperName). Those that are not there are passed over.
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

// plain is the object with nothing in it that is not meant to be applied. No
// scheme has to know its type.
func plain(object client.Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("fencing: %s: %w", object.GetName(), err)
	}
	delete(content, "status")
	unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
	return &unstructured.Unstructured{Object: content}, nil
}
