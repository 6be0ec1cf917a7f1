// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/manager/fencing"
)

// This measures what the policies cost a leader's write. It makes pairs of the same patch, one of them in a namespace
// that is fenced, in alternating order. It asserts nothing about time. FENCING_TAKEOVERS sets its length, too.
func TestLatencyThatPoliciesAdd(t *testing.T) {
	fenced := newOperator(t, restConfig, namespace(t), 1)
	free := newOperator(t, restConfig, namespace(t), 1)
	for _, o := range []*operator{fenced, free} {
		o.takeOver(t, o.pods[0])
		o.mustCreate(t, o.configMap("a"))
	}
	for _, policies := range [][]fencing.Policy{{fencing.Holder}, {fencing.Epoch}, {fencing.Holder, fencing.Epoch, fencing.Guard}} {
		t.Run(fmt.Sprint(policies), func(t *testing.T) {
			fenced.install(t, fenced.settings(policies...))
			pairs := 10 * takeovers(t)
			var with, without, added []time.Duration
			for i := range pairs {
				order := []*operator{fenced, free}
				if i%2 == 0 {
					slices.Reverse(order)
				}
				took := map[*operator]time.Duration{}
				for _, o := range order {
					took[o] = patchTime(t, o, i)
				}
				a, b := took[fenced], took[free]
				with, without, added = append(with, a), append(without, b), append(added, a-b)
			}
			t.Logf("%d pairs: with p50 %v p99 %v, without p50 %v p99 %v, added p50 %v", pairs,
				quantile(with, 50), quantile(with, 99), quantile(without, 50), quantile(without, 99), quantile(added, 50))
		})
	}
}

func patchTime(t *testing.T, o *operator, i int) time.Duration {
	t.Helper()
	patch := client.RawPatch(types.MergePatchType,
		fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"5"}},"data":{"i":"%d"}}`, fencing.TokenAnnotation, i))
	object := o.configMap("a")
	began := time.Now()
	err := o.pods[0].Patch(t.Context(), object, patch)
	took := time.Since(began)
	if err != nil {
		t.Fatal(err)
	}
	return took
}

func quantile(d []time.Duration, percent int) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[(len(d)-1)*percent/100].Round(10 * time.Microsecond)
}
