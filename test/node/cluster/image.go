// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/kube-elector/elector/test/harness"
)

// PauseImage is the image that holds a pod's namespaces. It must be imported like any other.
const PauseImage = "elector.invalid/pause:1"

// writeImage writes an image of static programs, which lie in its top directory, as an archive that docker load and
// ctr images import take.
func writeImage(out io.Writer, name string, programs ...string) error {
	var layer bytes.Buffer
	files := tar.NewWriter(&layer)
	for _, program := range programs {
		text, err := os.ReadFile(program)
		if err == nil {
			err = add(files, filepath.Base(program), 0o755, text)
		}
		if err != nil {
			return err
		}
	}
	if err := files.Close(); err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/" + filepath.Base(programs[0])}, "User": "65532:65532"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer.Bytes()))}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	archive := tar.NewWriter(out)
	return errors.Join(add(archive, "manifest.json", 0o644, manifest), add(archive, "config.json", 0o644, config),
		add(archive, "layer.tar", 0o644, layer.Bytes()), archive.Close())
}

// SaveImage writes an image into a file.
func SaveImage(file, name string, programs ...string) error {
	var image bytes.Buffer
	if err := writeImage(&image, name, programs...); err != nil {
		return err
	}
	return os.WriteFile(file, image.Bytes(), 0o600)
}

func add(to *tar.Writer, name string, mode int64, text []byte) error {
	if err := to.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(text))}); err != nil {
		return err
	}
	_, err := to.Write(text)
	return err
}

// Import gives the node an image of static programs.
func (c *Cluster) Import(ctx context.Context, name string, programs ...string) error {
	var image bytes.Buffer
	if err := writeImage(&image, name, programs...); err != nil {
		return err
	}
	return harness.Poll(ctx, patience, "containerd to import "+name, func(ctx context.Context) error {
		ctr := exec.CommandContext(ctx, filepath.Join(c.programs.Containerd, "ctr"), "--address="+c.File("containerd.sock"),
			"--namespace=k8s.io", "images", "import", "--no-unpack", "-")
		ctr.Stdin = bytes.NewReader(image.Bytes())
		if out, err := ctr.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}
