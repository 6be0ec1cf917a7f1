// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

//go:build plain

package main

import (
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
)

func newManager(cfg *rest.Config, o ctrl.Options) (ctrl.Manager, error) {
	return ctrl.NewManager(cfg, o)
}
