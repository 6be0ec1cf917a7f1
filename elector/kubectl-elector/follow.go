// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/kube-elector/elector/elector/internal/wait"
)

// retry is the pause after a watch that broke off, or that ended sooner.
const retry = time.Second

// A follower sees one Lease, and every change of it that the API server shows.
type follower struct {
	client          kubernetes.Interface
	namespace, name string
	// see is called with the Lease, nil if there is none. Following ends when it returns true or an error.
	see func(*coordinationv1.Lease) (bool, error)
	// again, if not nil, makes the follower read the Lease when it fires.
	again <-chan time.Time
	// trouble is called when the Lease cannot be read or watched for now, and with nil when it can be.
	trouble func(error)
}

// follow reads and watches the Lease until see ends it, ctx ends, or the API server refuses it for good. A watch that
// ends, as each does after some time, is followed by another.
func (f *follower) follow(ctx context.Context) error {
	for {
		done, err := f.once(ctx)
		switch {
		case done:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
			return err
		case err != nil:
			f.trouble(err)
			wait.Sleep(ctx, retry)
		}
	}
}

// once reads the Lease, and watches it until that breaks off.
func (f *follower) once(ctx context.Context) (done bool, err error) {
	api := f.client.CoordinationV1().Leases(f.namespace)
	lease, err := api.Get(ctx, f.name, metav1.GetOptions{})
	version := ""
	switch {
	case apierrors.IsNotFound(err):
		lease = nil // if it is created meanwhile, the watch begins with it
	case err != nil:
		return false, access{"get", leases, f.namespace, f.name}.failed(err)
	default:
		version = lease.ResourceVersion
	}
	if done, err := f.see(lease); done || err != nil {
		return true, err
	}
	for began := time.Now(); ; began = time.Now() {
		stream, err := api.Watch(ctx, metav1.ListOptions{
			FieldSelector:   fields.OneTermEqualSelector(metav1.ObjectNameField, f.name).String(),
			ResourceVersion: version, AllowWatchBookmarks: true,
		})
		if err != nil && !tooOld(err) {
			return false, access{"watch", leases, f.namespace, f.name}.failed(err)
		}
		goOn := false
		if err == nil {
			f.trouble(nil)
			version, goOn, done, err = f.drain(ctx, stream, version)
			stream.Stop()
			if done || err != nil {
				return done, err
			}
		}
		if time.Since(began) < retry {
			wait.Sleep(ctx, retry)
		}
		if !goOn {
			return false, nil
		}
	}
}

// drain takes in what a watch delivers, to its end. goOn reports whether the next watch may begin at the version that
// it returns, without a read.
func (f *follower) drain(ctx context.Context, stream watch.Interface, version string) (last string, goOn, done bool, err error) {
	for {
		select {
		case <-ctx.Done():
			return version, false, false, nil
		case <-f.again:
			return version, false, false, nil
		case event, open := <-stream.ResultChan():
			if !open {
				return version, version != "", false, nil
			}
			lease, ok := event.Object.(*coordinationv1.Lease)
			if event.Type == watch.Error || !ok {
				err := apierrors.FromObject(event.Object)
				if tooOld(err) {
					return version, false, false, nil
				}
				return version, false, false, errors.Join(errors.New("the watch broke off"), err)
			}
			version = lease.ResourceVersion
			if event.Type == watch.Bookmark {
				continue
			}
			if event.Type == watch.Deleted {
				lease = nil
			}
			if done, err := f.see(lease); done || err != nil {
				return version, false, true, err
			}
		}
	}
}

// tooOld reports whether the API server has forgotten the version to go on from.
func tooOld(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

// follower returns one of the session, which tells of trouble on standard error.
func (s *session) follower(name string, see func(*coordinationv1.Lease) (bool, error)) *follower {
	broken := false
	return &follower{client: s.client, namespace: s.namespace, name: name, see: see, trouble: func(err error) {
		switch {
		case err != nil && !broken:
			s.note("%s; trying again, and changes may be missed meanwhile", clean(err.Error()))
		case err == nil && broken:
			s.note("The Lease is watched again.")
		}
		broken = err != nil
	}}
}
