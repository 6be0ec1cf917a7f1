// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

// gateMutations break package manager's gate, from the queue up to the decision what a lost term means.
var gateMutations = []mutation{
	{
		"forgets a request that was cut short", "queue.go",
		"	if ok && f.tenure.over() {\n		q.add(item, f.priority)\n	}\n", "",
	}, {
		"does not wait for requests when a tenure ends", "gate_tenure.go",
		"	return t.idle\n", "	gone := make(chan struct{})\n	close(gone)\n	return gone\n",
	}, {
		"does not wait for requests when a term ends", "gate_term.go",
		"	<-idle\n", "	_ = idle\n",
	}, {
		"parks without a second look", "queue.go",
		"	defer q.mu.Unlock()\n	if q.tenures.covers(s) {\n		return false\n	}\n", "	defer q.mu.Unlock()\n",
	}, {
		"flushes before its tenure has begun", "gate_tenure.go",
		"	ts.change(func(current map[shard]*tenure) { current[t.shard] = t })\n",
		"	defer ts.change(func(current map[shard]*tenure) { current[t.shard] = t })\n",
	}, {
		"flushes only the first", "queue_unpark.go",
		"		for n := flushedAtOnce; n == flushedAtOnce; {\n", "		for n := flushedFirst; n == flushedAtOnce; {\n",
	}, {
		"flushes on when the tenure is over", "queue_unpark.go",
		"	if t.over() {\n		return nil\n	}\n", "",
	}, {
		"does not cancel the context of a tenure that is closed", "gate_tenure.go",
		"	t.cancel(cause)\n", "",
	}, {
		"hands out requests that no tenure covers", "queue.go",
		"		if t := q.tenures.begin(q.shardOf(item)); t != nil {\n",
		"		t := q.tenures.begin(q.shardOf(item))\n		if t == nil {\n			return item, priority, false\n		} else {\n",
	}, {
		"drops what becomes due in a pause", "queue.go",
		"		q.add(item, priority)\n		q.inner.Done(item)\n", "		q.inner.Done(item)\n",
	}, {
		"adds at once what has a delay", "queue.go",
		"		case o.After <= 0 && !o.RateLimited:\n", "		case true:\n",
	}, {
		"takes a tenure for current whose context has ended", "gate_tenure.go",
		"	return t != nil && !t.over()\n", "	return t != nil\n",
	}, {
		"begins requests in a tenure that is over", "controller_gated.go",
		"	if t.over() {\n		return reconcile.Result{}, nil // ", "	if false {\n		return reconcile.Result{}, nil // ",
	}, {
		"believes what a request returns that was cut short", "controller_gated.go",
		"	result, err := g.reconciler.Reconcile(within, r)\n	if t.over() {\n",
		"	result, err := g.reconciler.Reconcile(within, r)\n	if false {\n",
	}, {
		"forgets the failures of a request that was cut short", "queue.go",
		"	if !q.absorb(item, 0) {\n", "	if true {\n",
	}, {
		"reconciles in the controller's context", "controller_gated.go",
		"	within, cancel := requestContext(ctx, t.ctx)\n", "	within, cancel := requestContext(ctx, ctx)\n",
	}, {
		"forgets a request whose own time is up", "controller_gated.go",
		"	if t.over() {\n		return reconcile.Result{}, nil // ", "	if within.Err() != nil {\n		return reconcile.Result{}, nil // ",
	}, {
		"has no timeout for a request", "controller_gated.go",
		"	if deadline, ok := ctx.Deadline(); ok {\n", "	if deadline, ok := ctx.Deadline(); ok && false {\n",
	}, {
		"lets handlers replay that Reconcile adds", "controller_gated.go",
		"	if key == (listenersKey{}) {\n		return nil\n	}\n", "",
	}, {
		"forgets priorities when it parks", "queue.go",
		"		priority = max(priority, was)\n", "		priority = was\n",
	}, {
		"shuts a queue down with requests in it", "queue.go",
		"	for range 100 {\n		if q.inner.Len() == 0 {\n			break\n		}\n		<-time.After(time.Millisecond)\n	}\n", "",
	}, {
		"collects requests on a standby", "informer_handlers.go",
		"	if l.listening {\n		if err", "	if true {\n		if err",
	}, {
		"hears events while another leads", "gate_lostlease.go",
		"g.listeners.deafen()\n", "_ = g\n",
	}, {
		"does not replay at an election", "informer_handlers.go",
		"		if err := each.register(); err != nil {\n", "		if err := error(nil); err != nil {\n",
	}, {
		"does not replay when another may have led unseen", "gate_term.go",
		"g.listeners.listen(!resumed)", "g.listeners.listen(false)",
	}, {
		"replays after a pause", "gate_term.go",
		"g.listeners.listen(!resumed)", "g.listeners.listen(true)",
	}, {
		"lets sources look only every 100 ms whether they have synced", "informer_handlers.go",
		"		awaitSynced(informer, handle, 100*time.Millisecond)\n", "",
	}, {
		"takes every term for a resumed one", "gate_term.go",
		"g.past.begun && g.resumed(t.ctx)", "g.past.begun",
	}, {
		"takes no term for a resumed one", "gate_term.go",
		"g.past.begun && g.resumed(t.ctx)", "false",
	}, {
		"pauses when its Lease is taken over or deleted", "gate_lostlease.go",
		`g.past.other != "" || !errors.Is(cause, elector.ErrLeaseExpired)`, `g.past.other != ""`,
	}, {
		"stays when another leader is seen in a pause", "gate_lostlease.go",
		`	if g.pausedLocked() && g.past.other != "" {`, `	if false {`,
	}, {
		"stays when a run-once runnable had its run", "gate_lostlease.go",
		"	case len(g.reliance) > 0:\n		return g.lostLocked()\n", "",
	}, {
		"stays when Elected is called in a pause", "gate_lostlease.go",
		"	if g.relyLocked(why) && g.pausedLocked() {\n", "	if g.relyLocked(why) && false {\n",
	}, {
		"starts controllers on a standby", "gate_run.go",
		"		case <-g.elected:\n", "		case <-g.ready:\n",
	}, {
		"leaves controllers running when it has stopped", "gate_run.go",
		"		outliving.cancel(elector.ErrStopped)\n", "",
	}, {
		"leaves the client unfenced", "gate_manage.go",
		"GetClient() client.Client { return m.client }", "GetClient() client.Client { return m.Manager.GetClient() }",
	},
}
