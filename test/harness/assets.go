// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package assets finds the control plane that programs under test start.
package assets

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Dir is the directory of kube-apiserver and etcd: KUBEBUILDER_ASSETS, or where make envtest puts them, seen from the top
// of the tree or from a package's own directory.
func Dir() (string, error) {
	dirs := []string{"bin/envtest", "../../bin/envtest"}
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		dirs = []string{dir}
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "kube-apiserver")); err == nil {
			return filepath.Abs(dir)
		}
	}
	return "", fmt.Errorf("no kube-apiserver in %s: run make envtest", strings.Join(dirs, " or "))
}
