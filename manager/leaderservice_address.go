// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// addresses are a pod's, one for each IP family that it has.
type addresses map[discoveryv1.AddressType]string

// add takes an address in, unless there is one of its family.
func (a addresses) add(text string) error {
	ip, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return errors.New("must be an IP address")
	case ip.Zone() != "" || ip.IsUnspecified() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast():
		return errors.New("must be an address that others can reach")
	}
	ip = ip.Unmap()
	family := discoveryv1.AddressTypeIPv4
	if ip.Is6() {
		family = discoveryv1.AddressTypeIPv6
	}
	if a[family] == "" {
		a[family] = ip.String()
	}
	return nil
}

// givenAddresses returns the pod's addresses by the environment. There may be none.
func givenAddresses() (addresses, error) {
	a := addresses{}
	for _, variable := range []string{"POD_IPS", "POD_IP"} {
		value := os.Getenv(variable)
		if value == "" || len(a) > 0 {
			continue
		}
		for text := range strings.SplitSeq(value, ",") {
			if err := a.add(strings.TrimSpace(text)); err != nil {
				return nil, fmt.Errorf("%s: %q: %w", variable, value, err)
			}
		}
	}
	return a, nil
}

// podEnvironment is what the environment says of this replica's Pod.
type podEnvironment struct {
	name  string // "" if there is no way to know
	uid   string // likewise
	given addresses
}

func readPodEnvironment() (e podEnvironment, err error) {
	e.name, e.uid = os.Getenv("POD_NAME"), os.Getenv("POD_UID")
	if e.name == "" {
		e.name, _ = os.Hostname()
	}
	e.given, err = givenAddresses()
	return e, err
}

// A place is where this replica can be reached, and the Pod that it runs in.
type place struct {
	addresses addresses
	pod       *corev1.Pod // nil if it is not known
}

// errNotOurs is why a Pod of the expected name is not this replica's.
var errNotOurs = errors.New("the Pod of this name is another one: by its addresses, or by $POD_UID")

// find asks the API server for this replica's Pod. If it is not there, or must not be read, the environment's addresses
// do. unowned then says why.
func (e podEnvironment) find(ctx context.Context, pods corev1client.PodInterface) (p place, unowned, err error) {
	pod, err := pods.Get(ctx, e.name, metav1.GetOptions{})
	if err == nil {
		p, err = e.placeOf(pod)
	}
	absent := apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || errors.Is(err, errNotOurs)
	switch {
	case err == nil:
		return p, nil, nil
	case absent && len(e.given) > 0:
		return place{addresses: e.given}, fmt.Errorf("pod %q: %w", e.name, err), nil
	case absent:
		return place{}, nil, fmt.Errorf("POD_IP is not set, and the address cannot be read from pod %q: %w", e.name, err)
	}
	return place{}, nil, fmt.Errorf("read pod %q: %w", e.name, err)
}

// placeOf returns the place of a Pod that has all given addresses.
func (e podEnvironment) placeOf(pod *corev1.Pod) (place, error) {
	has := addresses{}
	for _, ip := range pod.Status.PodIPs {
		_ = has.add(ip.IP) // one that is not fit is none
	}
	if e.uid != "" && e.uid != string(pod.UID) {
		return place{}, errNotOurs
	}
	for family, address := range e.given {
		if has[family] != address {
			return place{}, errNotOurs
		}
	}
	switch {
	case len(e.given) > 0:
		return place{e.given, pod}, nil
	case len(has) == 0:
		return place{}, errors.New("it has no address yet")
	}
	return place{has, pod}, nil
}
