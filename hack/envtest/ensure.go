// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A job is one run of the program.
type job struct {
	dir      string
	pins     []pinned
	download bool
	show     *display
}

// ensure installs the binaries of the recipes in dir, of the pinned versions, or of the Kubernetes release asked for.
// After an error nothing incomplete is left there. Several processes may call it at once. One of them works and the
// others wait.
func ensure(ctx context.Context, recipes []recipe, dir string, download bool, asked string, show *display) error {
	j := job{dir: dir, download: download, show: show}
	another := ""
	for _, r := range recipes {
		p, err := r.pin(".")
		if err != nil {
			return err
		}
		if r.module == kubernetes {
			release, err := kubernetesVersion(asked, p.version)
			if err != nil {
				return err
			}
			if release != p.version {
				another = release
			}
		}
		j.pins = append(j.pins, p)
	}
	if another == "" && j.ready() {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the directory for the binaries: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(dir, ".lock"), func() {
		show.say("another process is at work in %s, waiting for it", dir)
		show.set("waiting for the other process")
	})
	if err != nil {
		return fmt.Errorf("locking the directory for the binaries: %w", err)
	}
	defer unlock()
	if another != "" {
		if err := j.repin(ctx, another); err != nil {
			return err
		}
	}
	if j.ready() {
		return nil
	}
	return j.work(ctx)
}

// repin pins another release of Kubernetes.
func (j *job) repin(ctx context.Context, release string) error {
	for i, p := range j.pins {
		if p.module != kubernetes {
			continue
		}
		r, err := p.derived(ctx, j.dir, release, j.show)
		if err != nil {
			return err
		}
		if j.pins[i], err = r.pin("."); err != nil {
			return err
		}
	}
	return nil
}

// ready reports whether dir has what the job needs. Published binaries satisfy a build, but built ones do not satisfy a
// download, since the user asked for it.
func (j *job) ready() bool {
	for _, p := range j.pins {
		if !j.has(p) {
			return false
		}
	}
	j.show.say("%s are in %s", j.title(), j.dir)
	return true
}

func (j *job) has(p pinned) bool {
	published := publishedIdentity(j.pins)
	if j.download {
		return installed(j.dir, p.name, published)
	}
	return installed(j.dir, p.name, p.identity, published)
}

func (j *job) title() string {
	if j.download {
		return publishedTitle(j.pins)
	}
	return titles(j.pins)
}

// work builds or downloads the binaries in a staging directory, with the lock held. The directory has a new name each
// time, so that a compiler that outlived its killed parent cannot write into it.
func (j *job) work(ctx context.Context) (err error) {
	left, err := filepath.Glob(filepath.Join(j.dir, ".staging-*"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		if err := removeAll(dir); err != nil {
			return fmt.Errorf("removing what an interrupted run left: %w", err)
		}
	}
	staging, err := os.MkdirTemp(j.dir, ".staging-")
	if err != nil {
		return fmt.Errorf("making the staging directory: %w", err)
	}
	defer func() { err = errors.Join(err, removeAll(staging)) }()
	began := time.Now()
	if j.download {
		err = j.fetch(ctx, staging)
	} else {
		err = j.buildAll(ctx, staging)
	}
	if err == nil {
		j.show.say("%s are in %s after %s", j.title(), j.dir, seconds(time.Since(began)))
	}
	return err
}

// removeAll removes a tree that may have read-only directories, as setup-envtest makes them.
func removeAll(root string) error {
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			err = os.Chmod(path, 0o755)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(root)
}

// lock waits until no other process holds the lock on the file, or ctx ends. The kernel drops the lock of a process
// that died. It calls waiting once if it must wait.
func lock(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = file.Close()
			return nil, &fs.PathError{Op: "flock", Path: path, Err: err}
		}
		waiting()
		waiting = func() {}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
}
