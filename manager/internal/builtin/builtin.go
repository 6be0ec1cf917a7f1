// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package builtin knows the types that are part of Kubernetes.
package builtin

import (
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
)

// Types returns a scheme with the types that are part of Kubernetes. It must not be changed.
var Types = sync.OnceValue(func() *runtime.Scheme {
	s := runtime.NewScheme() // clientgoscheme.Scheme may have the operator's types in it
	if err := clientgoscheme.AddToScheme(s); err != nil {
		panic(err) // types that cannot be registered together
	}
	return s
})
