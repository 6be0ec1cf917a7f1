// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// JSON returns claims about clients that send JSON, as kubectl and most other languages' clients do. client-go's own
// clientsets send protobuf unless their rest.Config says otherwise, which stores what JSON cannot express.
func JSON() []Test {
	return []Test{
		claim("AZeroTimeComesBackAsNil", func(a api) {
			lease := held("a", "me")
			lease.Spec.RenewTime = &metav1.MicroTime{}
			if got := a.create(lease).Spec.RenewTime; got != nil {
				a.Errorf("created with renewTime %v, want nil", got)
			}
			lease = a.get("a")
			lease.Spec.AcquireTime = &metav1.MicroTime{}
			if got := a.update(lease).Spec; got.AcquireTime != nil || got.RenewTime != nil {
				a.Errorf("updated to %v and %v, want no times", got.AcquireTime, got.RenewTime)
			}
		}),
		claim("ATimeWithoutJSONIsRefused", func(a api) {
			lease := a.create(held("a", "me"))
			for _, year := range []int{-1, 10_000} {
				lease.Spec.RenewTime = &metav1.MicroTime{Time: time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)}
				got, err := a.Update(a.ctx, lease, metav1.UpdateOptions{})
				a.refused(got, err, metav1.StatusReasonBadRequest)
			}
		}),
		claim("WhatIsNotUTF8IsReplaced", func(a api) {
			lease := held("a", "m\xffe\xc3")
			lease.Annotations = map[string]string{"a": "\xf0\x28"}
			if got := a.create(lease); holder(got) != "m\ufffde\ufffd" || got.Annotations["a"] != "\ufffd(" {
				a.Errorf("created %q with annotations %q, want each wrong byte replaced by U+FFFD", holder(got), got.Annotations)
			}
			if got := holder(a.update(by(a.get("a"), "y\xff"))); got != "y\ufffd" {
				a.Errorf("updated to %q, want the wrong byte replaced by U+FFFD", got)
			}
		}),
	}
}
