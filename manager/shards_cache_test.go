// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// shipCache is a cache with one informer.
type shipCache struct {
	cache.Cache
	informer toolscache.SharedIndexInformer
	late     time.Duration
}

func (c *shipCache) Start(ctx context.Context) error {
	<-time.After(c.late)
	c.informer.RunWithContext(ctx)
	return nil
}

func (c *shipCache) WaitForCacheSync(ctx context.Context) bool {
	if c.late > 0 {
		return true // as of informers that only controllers make
	}
	return toolscache.WaitForCacheSync(ctx.Done(), c.informer.HasSynced)
}

func (c *shipCache) GetInformer(context.Context, client.Object, ...cache.InformerGetOption) (cache.Informer, error) {
	return c.informer, nil
}

func (c *shipCache) GetInformerForKind(context.Context, schema.GroupVersionKind, ...cache.InformerGetOption) (cache.Informer, error) {
	return c.informer, nil
}
