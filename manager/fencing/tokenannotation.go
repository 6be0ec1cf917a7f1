// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/elector"
)

// TokenAnnotation is the annotation with the token of the term that wrote the object last, for Epoch.
const TokenAnnotation = "kube-elector.io/token"

// Touch writes the token of ctx's term into the objects, and nothing else. If it is called at the beginning of a term,
// Epoch refuses writes of earlier terms from then on, instead of from each object's first write. Objects that have been
// deleted are passed over. Other errors are joined, after all objects have been tried. Touch reads only names and types
// of the objects, and replaces their fields by the API server's answer.
func Touch(ctx context.Context, c client.Client, objects ...client.Object) error {
	term, ok := elector.TermFromContext(ctx)
	if !ok || term.Token == "" {
		return errors.New("fencing: Touch: the context belongs to no term with a token")
	}
	var failures []error
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, TokenAnnotation, term.Token))
	for _, object := range objects {
		if err := c.Patch(ctx, object, patch); client.IgnoreNotFound(err) != nil {
			failures = append(failures, fmt.Errorf("touch %s: %w", client.ObjectKeyFromObject(object), err))
		}
	}
	return errors.Join(failures...)
}
