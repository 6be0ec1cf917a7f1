// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"encoding/json"
	"fmt"
	"net/http"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// patched returns the Lease that a PATCH makes of the old one, for replaced to store as it does a PUT's. Without a
// resourceVersion in it, a patch applies to whatever is there.
func patched(old *coordinationv1.Lease, namespace, name string, how types.PatchType, patch []byte) (*coordinationv1.Lease, error) {
	if old == nil {
		return nil, apierrors.NewNotFound(resource, name)
	}
	before, err := json.Marshal(old)
	if err != nil {
		return nil, unprocessable(err)
	}
	after, err := applyPatch(before, how, patch)
	if err != nil {
		return nil, err
	}
	in := &coordinationv1.Lease{}
	if err := json.Unmarshal(after, in); err != nil {
		return nil, unprocessable(err)
	}
	if in.Name != name {
		return nil, apierrors.NewBadRequest(fmt.Sprintf(
			"the name of the object (%s) does not match the name on the URL (%s)", in.Name, name))
	}
	if err := inNamespace(in, namespace); err != nil {
		return nil, err
	}
	return in, nil
}

func applyPatch(before []byte, how types.PatchType, patch []byte) ([]byte, error) {
	if !json.Valid(patch) {
		return nil, apierrors.NewBadRequest("error decoding patch: it is not valid JSON")
	}
	var after []byte
	var err error
	switch how {
	case types.MergePatchType:
		after, err = jsonpatch.MergePatch(before, patch)
	case types.StrategicMergePatchType:
		after, err = strategicpatch.StrategicMergePatch(before, patch, coordinationv1.Lease{})
	case types.JSONPatchType:
		var operations jsonpatch.Patch
		if operations, err = jsonpatch.DecodePatch(patch); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		after, err = operations.Apply(before)
	default:
		return nil, apierrors.NewGenericServerResponse(http.StatusUnsupportedMediaType, "patch", resource, "",
			fmt.Sprintf("leasetest does not serve patches of type %q", how), 0, true)
	}
	if err != nil {
		return nil, unprocessable(err)
	}
	return after, nil
}

func unprocessable(err error) error {
	return apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "patch", resource, "", err.Error(), 0, true)
}
