// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/shards"
	"github.com/kube-elector/elector/manager/fencing"
)

var racingWrites = flag.Int("epoch.writes", 2000, "how many writes race across shard moves; a hundred thousand take minutes")

// contest is shards that move between pods, each with an object that the holder writes as fast as it can. A former
// holder goes on writing for a while, beside the next one.
type contest struct {
	t *testing.T
	*operator
	shards int

	mu       sync.Mutex // guards all below
	accepted map[int][]stampedWrite
	begun    int // terms
	refused  int
	others   int // writes that failed for another reason, such as conflicts
	writers  sync.WaitGroup
}

// stampedWrite is one that the API server has accepted.
type stampedWrite struct {
	version uint64
	token   elector.Token
}

// staleWrites is how many writes a former holder still sends.
const staleWrites = 20

func (c *contest) join(p *pod) (stop func()) {
	c.t.Helper()
	config := elector.Config{
		Enabled: true, Identity: p.identity, LeaseName: "set", LeaseNamespace: c.ns, ReleaseOnCancel: true, DrainTimeout: patience,
	}
	clientset, err := elector.NewClientset(p.cfg, config)
	if err != nil {
		c.t.Fatal(err)
	}
	part, err := shards.New(&config, c.shards, clientset, shards.Callbacks{
		OnStarted: func(ctx context.Context, shard int) {
			term, _ := elector.TermFromContext(ctx)
			c.mu.Lock()
			c.begun++
			c.mu.Unlock()
			c.writers.Go(func() { c.write(ctx, p, shard, term.Token) })
			<-ctx.Done()
		},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan error, 1)
	go func() { done <- part.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	})
	c.t.Cleanup(stop)
	return stop
}

// write writes with the token while the shard's term lasts, and some more times when another replica has the shard.
func (c *contest) write(ctx context.Context, p *pod, shard int, token elector.Token) {
	for n, stale := 0, 0; stale < staleWrites && c.t.Context().Err() == nil; n++ {
		if ctx.Err() != nil {
			stale++
		}
		object := c.configMap(fmt.Sprint("shard-", shard))
		patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}},"data":{"n":"%d"}}`, fencing.TokenAnnotation, token, n)
		err := p.Patch(context.WithoutCancel(ctx), object, client.RawPatch(types.MergePatchType, patch))
		c.mu.Lock()
		switch {
		case err == nil:
			c.accepted[shard] = append(c.accepted[shard], stampedWrite{number(c.t, object.ResourceVersion), token})
		case fencing.IsRefused(err):
			c.refused++
		default:
			c.others++
		}
		c.mu.Unlock()
	}
}

func (c *contest) sent() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, all := range c.accepted {
		n += len(all)
	}
	return n + c.refused
}

func (c *contest) terms() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun
}

// stale returns how many writes were accepted after one with a higher token, by the versions of the objects.
func (c *contest) stale() (n int) {
	for shard, all := range c.accepted {
		slices.SortFunc(all, func(a, b stampedWrite) int { return cmp.Compare(a.version, b.version) })
		for i := 1; i < len(all); i++ {
			if order, err := all[i].token.Compare(all[i-1].token); err != nil || order < 0 {
				n++
				c.t.Errorf("shard %d: version %d has token %s after %s", shard, all[i].version, all[i].token, all[i-1].token)
			}
		}
	}
	return n
}

// Pods come and go, so that shards move all the time.
func TestEpochAcceptsNoStaleWriteAcrossShardMoves(t *testing.T) {
	c := &contest{t: t, operator: newOperator(t, restConfig, namespace(t), 3), shards: 8, accepted: map[int][]stampedWrite{}}
	c.install(t, c.settings(fencing.Epoch))
	for i := range c.shards {
		c.mustCreate(t, c.configMap(fmt.Sprint("shard-", i)))
	}
	began := time.Now()
	stops := make([]func(), len(c.pods))
	for i, p := range c.pods {
		stops[i] = c.join(p)
	}
	for i := 0; c.sent() < *racingWrites || c.terms() < 5*c.shards; i = (i + 1) % len(c.pods) {
		next := c.sent() + 50
		eventually(t, "50 more writes", func() bool { return c.sent() > next })
		stops[i]()
		stops[i] = c.join(c.pods[i])
	}
	for _, stop := range stops {
		stop()
	}
	c.writers.Wait()
	stale := c.stale()
	t.Logf("%d writes raced in %v across %d terms of %d shards: %d were refused, %d failed for other reasons, %d stale ones were accepted",
		c.sent(), time.Since(began).Round(time.Second), c.begun, c.shards, c.refused, c.others, stale)
	if c.refused == 0 {
		t.Error("no write was refused, so nothing has raced")
	}
}
