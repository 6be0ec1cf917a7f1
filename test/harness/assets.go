// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Assets returns the directory of kube-apiserver and etcd. It is KUBEBUILDER_ASSETS, or else where make envtest puts
// them, seen from the top of the tree or from the directory of a package in test or below.
func Assets() (string, error) {
	dirs := []string{"bin/envtest", "../../bin/envtest", "../../../bin/envtest"}
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
