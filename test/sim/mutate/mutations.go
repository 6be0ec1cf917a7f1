// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

// mutation breaks package elector on purpose: one edit of one of its files.
type mutation struct {
	name     string
	file     string // in elector/
	old, new string // old stands there once
}

var mutations = []mutation{
	{
		"counts a renewal from its reply", "leases.go",
		"	return lease, sent, nil\n", "	return lease, now(), nil\n",
	}, {
		"renews with what is there already", "leases.go",
		"	r.RenewTime = metav1.Time{Time: sent.wall}\n", "",
	}, {
		"skips the compare-and-swap", "leases.go",
		"		return l.client.Update(ctx, next, metav1.UpdateOptions{})\n",
		"		if latest, e := l.client.Get(ctx, l.name, metav1.GetOptions{}); e == nil {\n" +
			"			next.ResourceVersion = latest.ResourceVersion\n		}\n" +
			"		return l.client.Update(ctx, next, metav1.UpdateOptions{})\n",
	}, {
		"has no time limit for a request", "leases.go",
		"context.WithTimeoutCause(ctx, l.attempt,", "context.WithTimeoutCause(ctx, 1000*l.attempt,",
	}, {
		"releases before the work has ended", "lead.go",
		"	t.overErr = e.drain(c, t, w)\n", "	_ = e.hand(ctx, t, cause)\n	t.overErr = e.drain(c, t, w)\n",
	}, {
		"does not wait for the work when the Lease is lost", "drain.go",
		"			lost = nil\n			c.halt()\n", "			return nil\n",
	}, {
		"has no bound of its own for a lost term's end", "drain.go",
		"	if lost != nil && t.renewDeadline > 0 {\n", "	if false {\n",
	}, {
		"has no watchdog", "lead.go",
		"t.watchdog(stop, e.config.tick())", "_ = e.config.tick()",
	}, {
		"stops before the work has returned", "work.go",
		"			f(t.ctx)\n", "			go f(t.ctx)\n",
	}, {
		"leads on beside another holder", "termstate.go",
		"	case !obs.ours:\n", "	case false:\n",
	}, {
		"leads on without a Lease", "termstate.go",
		"	case obs.lease == nil || obs.lease.UID != t.uid:\n", "	case obs.lease == nil:\n	case obs.lease.UID != t.uid:\n",
	}, {
		"claims when RenewDeadline has passed", "validity.go",
		"	return min(time.Duration(*recorded)*time.Second, MaxLeaseDuration)\n",
		"	return min(time.Duration(*recorded)*time.Second*2/3, MaxLeaseDuration)\n",
	}, {
		"waits its own duration instead of the holder's", "validity.go",
		"	return min(time.Duration(*recorded)*time.Second, MaxLeaseDuration)\n", "	return own\n",
	}, {
		"waits for any duration a hand has written", "validity.go",
		"	return min(time.Duration(*recorded)*time.Second, MaxLeaseDuration)\n",
		"	return time.Duration(*recorded) * time.Second\n",
	}, {
		"takes a deleted Lease for free", "view.go",
		"		// noticed yet, so its time must pass all the same.\n		next.changed, next.guard = o.changed, o.guard\n", "",
	}, {
		"believes a stale event of the watch", "view.go",
		"	return err == nil && order < 0\n", "	return err == nil && order < 0 && false\n",
	}, {
		"takes the token from the write before", "campaign.go",
		"			c.began <- t\n", "			if base.lease != nil {\n				t.Token = Token(base.lease.ResourceVersion)\n			}\n			c.began <- t\n",
	}, {
		"knows itself by its Identity alone", "record.go",
		"		lease.Annotations[WriterAnnotation] == a.signature(lease.Spec.RenewTime)\n", "		a.nonce != \"\"\n",
	}, {
		"releases whoever holds the Lease", "release.go",
		"		if !e.self.holds(obs.lease) {\n", "		if holder(obs.lease) == \"\" {\n",
	}, {
		"releases again and again without a pause", "release.go",
		"		sleep(ctx, pause)\n", "",
	}, {
		"trusts a watch that has died", "trust.go",
		"		if t.awaited == timer {\n", "		if t.awaited == timer && false {\n",
	}, {
		"says it leads until the term is put away", "elector.go",
		"IsLeader() bool { return e.Remaining() > 0 }", "IsLeader() bool { return e.term.Load() != nil }",
	},
}
