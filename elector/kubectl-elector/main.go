// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Kubectl-elector is a plugin of kubectl. It shows who leads and why the leader changed, by the Leases of a cluster,
// and asks a leader to step down. kubectl finds it on the PATH and runs it for "kubectl elector":
//
//	kubectl elector status
//	kubectl elector watch NAME
//	kubectl elector step-down NAME
//
// It uses the kubeconfig that kubectl uses. It shows the Leases of other programs, too, which say less than those of
// package elector. The output is for people, and with -o json for scripts. Remarks and errors go to standard error.
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
