// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager/fencing"
)

func TestOptionsAboutShardsAreCheckedTogether(t *testing.T) {
	byName := ShardBy(func(r reconcile.Request) string { return r.Name })
	for name, test := range map[string]struct {
		options []Option
		want    []string
	}{
		"no shards":     {[]Option{WithShards(0)}, []string{"WithShards: 0: must be between 1 and 4096"}},
		"too many":      {[]Option{WithShards(4097), ShardBy(nil)}, []string{"WithShards: 4097", "ShardBy: must not be nil"}},
		"without":       {[]Option{ShardByNamespace(), WithShardCallbacks(ShardCallbacks{})}, []string{"ShardBy, ShardByNamespace: need WithShards", "WithShardCallbacks: needs WithShards"}},
		"two keys":      {[]Option{WithShards(4), ShardByNamespace(), byName}, []string{"given 2 times: choose one"}},
		"all policies":  {[]Option{WithShards(4), WithFencing(fencing.Settings{})}, []string{`WithFencing: Policies: []: must be ["epoch"] with WithShards`, "know the holder of one Lease"}},
		"holder policy": {[]Option{WithShards(4), WithFencing(fencing.Settings{Policies: []fencing.Policy{fencing.Epoch, fencing.Holder}})}, []string{`Policies: ["epoch" "holder"]`}},
	} {
		_, err := New(nowhere, testOptions(), test.options...)
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
	}
	long := testOptions()
	long.LeaderElectionID = strings.Repeat("a", 240)
	if _, err := New(nowhere, long, WithShards(4)); err == nil || !strings.Contains(err.Error(), "WithShards: shards: invalid config:\nLeaseName") {
		t.Errorf("a long name: %v", err)
	}
}

func TestShardByNamespacePutsANamespaceTogetherWithWhatIsInIt(t *testing.T) {
	var s settings
	ShardByNamespace()(&s)
	key := s.shards.keys[0]
	in, itself := key(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "ns", Name: "a"}}), key(reconcile.Request{NamespacedName: types.NamespacedName{Name: "ns"}})
	if in != "ns" || itself != "ns" {
		t.Errorf("%q and %q", in, itself)
	}
}

func TestWhatIsNotAControllerRunsOnTheLeaderOnly(t *testing.T) {
	inFleet(t, 8, 20, func(f *fleet) {
		var j journal
		ships := []*ship{f.replica("a", controller.Options{}), f.replica("b", controller.Options{})}
		for _, s := range ships {
			mustAdd(t, s, j.worker("work of "+s.name, atOnce))
			if err := s.EachTerm(func(ctx context.Context) error { j.add("term of " + s.name); <-ctx.Done(); return nil }); err != nil {
				t.Fatal(err)
			}
			s.launch()
			pass(time.Second)
		}
		f.until(time.Second, ships...)
		if n := len(j.lines); n != 2 || ships[1].Elector().IsLeader() {
			t.Errorf("happened: %q", j.lines)
		}
		// It runs once, so its replica ends with the leadership, as without shards.
		ships[0].client.Partition()
		if err := ships[0].run.wait(); !errors.Is(err, ErrLeadershipLost) {
			t.Errorf("a: Start: %v", err)
		}
		f.until(20*time.Second, ships[1])
		pass(time.Second)
		f.check("after the leader's end", ships[1])
		j.mu.Lock()
		last := j.lines[len(j.lines)-2:]
		j.mu.Unlock()
		if !strings.Contains(strings.Join(last, ", "), "work of b runs") {
			t.Errorf("happened: %q", j.lines)
		}
		if err := ships[1].stop(); err != nil {
			t.Error(err)
		}
	})
}

// Neither the loss of shards nor that of the session ends a process, even if another replica has had the shards
// meanwhile.
func TestLosingShardsDoesNotEndTheProcess(t *testing.T) {
	inFleet(t, 8, 20, func(f *fleet) {
		a, b := f.replica("a", controller.Options{}).launch(), f.replica("b", controller.Options{}).launch()
		f.until(time.Second, a, b)
		for _, cut := range [][]*ship{{a}, {b}, {a, b}} {
			for _, s := range cut {
				s.client.Partition()
			}
			pass(time.Minute)
			for _, s := range cut {
				if held := s.Shards().Held(); len(held) > 0 {
					t.Errorf("%s holds %v in an outage", s.name, held)
				}
				s.client.Heal()
			}
			f.until(30*time.Second, a, b)
			pass(time.Second)
			f.check("after an outage", a, b)
		}
		for _, s := range []*ship{a, b} {
			if s.run.returned() {
				t.Errorf("%s has ended", s.name)
			}
			if err := s.stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestReplicasWithAnotherNumberOfShardsWaitAndSayWhy(t *testing.T) {
	inFleet(t, 8, 40, func(f *fleet) {
		a := f.replica("a", controller.Options{}).launch()
		f.until(time.Second, a)
		pass(time.Second)
		f.n = 16
		var lines logged
		f.change = func(o *ctrl.Options) { o.Logger = NewLogr(jsonLogger(&lines)) }
		b := f.replica("b", controller.Options{}).launch()
		pass(5 * time.Minute)
		if len(b.Shards().Held()) > 0 || b.run.returned() {
			t.Errorf("b holds %v, has returned %v", b.Shards().Held(), b.run.returned())
		}
		if n := strings.Count(lines.String(), "they have 8, this one has 16"); n != 1 {
			t.Errorf("%d lines say why:\n%s", n, lines.String())
		}
		if err := a.stop(); err != nil {
			t.Error(err)
		}
		f.until(500*time.Millisecond, b)
		pass(time.Second)
		f.check("with the new number", b)
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestRequestThatHangsInAShardIsNamed(t *testing.T) {
	inFleet(t, 4, 1, func(f *fleet) {
		var hooked atomic.Bool
		a := f.replica("a", controller.Options{}, WithExitHook(func(error) { hooked.Store(true) }))
		f.takes = 10 * time.Minute
		a.launch()
		pass(time.Second)
		b := f.replica("b", controller.Options{}).launch()
		pass(time.Second)
		err := a.stop()
		if !errors.Is(err, elector.ErrDrainTimeout) || !strings.Contains(err.Error(), `controller "c" reconciling ns/c0`) || !hooked.Load() {
			t.Errorf("a: Start: %v, hooked %v", err, hooked.Load())
		}
		if a.healthz(nil) == nil {
			t.Error("a is healthy")
		}
		// The others are given back at once, and this one when it has lapsed. Its process has ended by then.
		if held := len(b.Shards().Held()); held != 3 {
			t.Errorf("b holds %d shards", held)
		}
		f.leave("a", "c0")
		pass(11 * time.Minute)
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestWithoutElectionOneReplicaReconcilesAllShards(t *testing.T) {
	inFleet(t, 8, 20, func(f *fleet) {
		f.change = func(o *ctrl.Options) { o.LeaderElection = false }
		a := f.replica("a", controller.Options{}).launch()
		pass(time.Second)
		if n := f.reconciles(); n < 20 || len(a.Shards().Held()) != 8 {
			t.Errorf("%d reconciles, %d shards", n, len(a.Shards().Held()))
		}
		if err := a.stop(); err != nil {
			t.Error(err)
		}
	})
}
