// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"errors"
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector"
)

func TestLeaderServicesThatTheAPIServerWouldRefuseAreRefused(t *testing.T) {
	port := LeaderPort{Port: 80}
	for want, s := range map[string]leaderService{
		`WithLeaderService "": name: `:                                                 {"", []LeaderPort{port}},
		`WithLeaderService "A": name: `:                                                {"A", []LeaderPort{port}},
		`WithLeaderService "a": ports: at least one is required`:                       {"a", nil},
		`ports[0].Port: 0: must be between 1 and 65535`:                                {"a", []LeaderPort{{}}},
		`ports[0].Name: "B": `:                                                         {"a", []LeaderPort{{Name: "B", Port: 1}}},
		`ports[1].Name: "": is required with more than one port`:                       {"a", []LeaderPort{{Name: "b", Port: 1}, port}},
		`ports[1].Name: "b": must be unique`:                                           {"a", []LeaderPort{{Name: "b", Port: 1}, {Name: "b", Port: 2}}},
		`ports[0].Protocol: "tcp": must be TCP, UDP or SCTP`:                           {"a", []LeaderPort{{Port: 1, Protocol: "tcp"}}},
		`ports[0].AppProtocol: "a b": name part must consist of alphanumeric characte`: {"a", []LeaderPort{{Port: 1, AppProtocol: "a b"}}},
	} {
		if err := errors.Join(serviceFaults([]leaderService{s})...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	good := leaderService{"a", []LeaderPort{{Name: "b", Port: 1, Protocol: corev1.ProtocolUDP}, {Name: "c", Port: 65535, AppProtocol: "kubernetes.io/h2c"}}}
	if err := errors.Join(serviceFaults([]leaderService{good})...); err != nil {
		t.Error(err)
	}
	if err := errors.Join(serviceFaults([]leaderService{good, good})...); err == nil || !strings.Contains(err.Error(), "given twice") {
		t.Error(err)
	}
}

func TestThePodsAddressesAreThoseThatOthersCanReach(t *testing.T) {
	for name, test := range map[string]struct {
		ips, ip string
		want    addresses
		fault   string
	}{
		"none":         {"", "", addresses{}, ""},
		"one":          {"", "10.0.0.1", addresses{discoveryv1.AddressTypeIPv4: "10.0.0.1"}, ""},
		"both":         {"fd00::1, 10.0.0.1,10.0.0.2", "10.9.9.9", addresses{discoveryv1.AddressTypeIPv4: "10.0.0.1", discoveryv1.AddressTypeIPv6: "fd00::1"}, ""},
		"mapped":       {"", "::ffff:10.0.0.1", addresses{discoveryv1.AddressTypeIPv4: "10.0.0.1"}, ""},
		"a name":       {"", "pod-0", nil, `POD_IP: "pod-0": must be an IP address`},
		"loopback":     {"127.0.0.1", "", nil, `POD_IPS: "127.0.0.1": must be an address that others can reach`},
		"link-local":   {"", "fe80::1%eth0", nil, "must be an address that others can reach"},
		"not expanded": {"$(POD_IP)", "", nil, "must be an IP address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("POD_IPS", test.ips)
			t.Setenv("POD_IP", test.ip)
			got, err := givenAddresses()
			if !maps.Equal(got, test.want) || (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
				t.Errorf("got %v, %v, want %v, %s", got, err, test.want, test.fault)
			}
			if _, err := electorConfig(election(), settings{services: []leaderService{{"a", []LeaderPort{{Port: 1}}}}}); (err == nil) != (test.fault == "") {
				t.Errorf("New would say %v", err)
			}
		})
	}
}

func TestOnlyThisReplicasOwnPodIsItsPlace(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "u"}, Status: corev1.PodStatus{PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}, {IP: "fd00::1"}}}}
	v4, other := addresses{discoveryv1.AddressTypeIPv4: "10.0.0.1"}, addresses{discoveryv1.AddressTypeIPv4: "10.0.0.2"}
	for name, test := range map[string]struct {
		e    podEnvironment
		pod  *corev1.Pod
		want int // addresses, -1 for an error
	}{
		"by its status":         {podEnvironment{}, pod, 2},
		"by the environment":    {podEnvironment{uid: "u", given: v4}, pod, 1},
		"of another UID":        {podEnvironment{uid: "v", given: v4}, pod, -1},
		"with another address":  {podEnvironment{given: other}, pod, -1},
		"without an address":    {podEnvironment{}, &corev1.Pod{}, -1},
		"whose status is empty": {podEnvironment{given: v4}, &corev1.Pod{}, -1},
	} {
		at, err := test.e.placeOf(test.pod)
		if (err != nil) != (test.want < 0) || err == nil && (len(at.addresses) != test.want || at.pod != test.pod) {
			t.Errorf("%s: %+v, %v", name, at, err)
		}
	}
}

func TestAnEndpointSliceOfALaterTermIsKnown(t *testing.T) {
	for _, test := range []struct {
		theirs, version string
		want            bool
	}{
		{"", "50", false}, {"x", "50", false}, {"10", "50", false}, {"20", "50", false}, {"21", "50", true},
		{"51", "50", false}, // of another cluster
		{"50", "50", true},
	} {
		slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
			ResourceVersion: test.version, Annotations: map[string]string{elector.LeaderTokenAnnotation: test.theirs},
		}}
		if got := later(slice, "20"); got != test.want {
			t.Errorf("token %q at version %s: later than 20: %t", test.theirs, test.version, got)
		}
	}
	if later(nil, "20") {
		t.Error("none is later")
	}
}

func TestAnEndpointSliceSaysWhatIsOursToSayAndKeepsTheRest(t *testing.T) {
	p := &publisher{service: leaderService{"web", []LeaderPort{{Name: "https", Port: 8443}}}, family: discoveryv1.AddressTypeIPv4, name: "web-ipv4"}
	at := place{addresses: addresses{discoveryv1.AddressTypeIPv4: "10.0.0.1"}}
	first := p.endpointSlice(nil, at, "7", true)
	theirs := first.DeepCopy()
	theirs.Labels["team"] = "x"
	theirs.Endpoints[0].Hints = &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: "z"}}}
	if !sameEndpoint(first, theirs) {
		t.Error("a hint makes a difference")
	}
	if next := p.endpointSlice(theirs, at, "9", false); next.Labels["team"] != "x" || len(next.Endpoints) != 0 || next.Annotations[elector.LeaderTokenAnnotation] != "9" {
		t.Errorf("the next one is %+v", next)
	}
	if theirs.Annotations[elector.LeaderTokenAnnotation] != "7" {
		t.Error("what was seen was changed")
	}
	for name, edit := range map[string]func(s *discoveryv1.EndpointSlice){
		"address":  func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Addresses[0] = "10.0.0.2" },
		"ready":    func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Conditions.Ready = ptr.To(false) },
		"none":     func(s *discoveryv1.EndpointSlice) { s.Endpoints = nil },
		"port":     func(s *discoveryv1.EndpointSlice) { s.Ports[0].Port = ptr.To[int32](1) },
		"token":    func(s *discoveryv1.EndpointSlice) { s.Annotations = nil },
		"Service":  func(s *discoveryv1.EndpointSlice) { delete(s.Labels, discoveryv1.LabelServiceName) },
		"an owner": func(s *discoveryv1.EndpointSlice) { s.OwnerReferences = []metav1.OwnerReference{{UID: "x"}} },
	} {
		edited := first.DeepCopy()
		edit(edited)
		if sameEndpoint(first, edited) {
			t.Errorf("an edit of the %s makes no difference", name)
		}
	}
}

func TestWhatAPublisherSeesIsNeverOlder(t *testing.T) {
	p := &publisher{changed: make(chan struct{})}
	version := func(v string) *discoveryv1.EndpointSlice {
		return &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{ResourceVersion: v}}
	}
	p.saw(version("10"))
	p.saw(version("9"))
	if slice, known, _ := p.last(); !known || slice.ResourceVersion != "10" {
		t.Errorf("knows %v, %t", slice, known)
	}
	_, _, changed := p.last()
	p.forget()
	if _, known, _ := p.last(); known {
		t.Error("still knows it")
	}
	<-changed
	p.saw(version("9")) // read again, of a store that was restored
	if slice, known, _ := p.last(); !known || slice.ResourceVersion != "9" {
		t.Errorf("knows %v, %t", slice, known)
	}
}

func TestLeaderAnnotationsAreTheElectors(t *testing.T) {
	config, err := electorConfig(election(), settings{tells: map[string]string{"a": "1"}})
	if err != nil || config.Annotations["a"] != "1" {
		t.Errorf("%v, %v", config.Annotations, err)
	}
	if _, err = electorConfig(election(), settings{tells: map[string]string{"a b": "1"}}); err == nil || !strings.Contains(err.Error(), "WithLeaderAnnotations the Annotations") {
		t.Error(err)
	}
}
