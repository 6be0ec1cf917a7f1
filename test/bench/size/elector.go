// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !plain

package main

import (
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kube-elector/elector/manager"
)

func newManager(cfg *rest.Config, o ctrl.Options) (ctrl.Manager, error) { return manager.New(cfg, o) }
