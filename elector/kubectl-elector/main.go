// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Kubectl-elector is a plugin of kubectl. It shows who leads, by the Leases of a cluster, why the
// leader changed, and asks a leader to step down. Installed somewhere on the PATH it is called as
// "kubectl elector":
//
//	kubectl elector status
//	kubectl elector watch NAME
//	kubectl elector step-down NAME
//
// It needs nothing but the kubeconfig that kubectl uses, and shows the Leases of other programs as
// well as those of package elector. The output of status is for people, unless -o json asks for what
// a script needs. What is not about the question asked goes to standard error.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
