// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"errors"
	"runtime"
	"runtime/debug"
)

// Versions returns what this program was built from: Go, this repository's revision, and the libraries that it is
// compared with.
func Versions() (map[string]string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, errors.New("this program was built without module information")
	}
	v := map[string]string{"Go": runtime.Version(), Ours: "unknown"}
	for _, module := range info.Deps {
		if module.Path == "k8s.io/client-go" || module.Path == "sigs.k8s.io/controller-runtime" {
			v[module.Path] = module.Version
		}
	}
	modified := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			v[Ours] = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = ", modified"
		}
	}
	v[Ours] += modified
	return v, nil
}
