// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

// shardMutations break package shards: the claim, the quota and the drain.
var shardMutations = []mutation{
	{
		"claims the newest version instead of the one it decided on", "lease_requests.go",
		"	return c.write(ctx, base == nil, next)\n",
		"	if latest, err := c.leases.Get(ctx, next.Name, metav1.GetOptions{}); err == nil {\n" +
			"		next.ResourceVersion, base = latest.ResourceVersion, latest\n	}\n	return c.write(ctx, base == nil, next)\n",
	}, {
		"claims beside a session that lasts", "decide.go",
		"	return max(wait, left), cause\n", "	return wait, cause\n",
	}, {
		"does not read a session's Lease before it claims its shards", "view_sessionover.go",
		"		left = r.lapsesIn(v.own, now)\n", "		return r.lapsesIn(v.own, now), false\n",
	}, {
		"waits its own duration instead of the holder's", "leases.go",
		"	if seconds <= 0 {\n", "	if true {\n",
	}, {
		"takes a shard for free whose record was edited or deleted", "view_shards.go",
		"		s.notBefore = later(s.notBefore, now.Add(guard))\n", "		_ = guard\n",
	}, {
		"takes a shard for free whose Lease is missing at first sight", "view.go",
		"		if some && s.lease == nil {\n", "		if some && false {\n",
	}, {
		"takes a session for ended whose Lease was deleted", "view_replicas.go",
		"		case r.over || succeeds(before, lease, gap):\n", "		case true:\n",
	}, {
		"takes a session for ended because another has its Lease, whatever it has not seen", "view_replicas.go",
		"	return claims > 0 && !gap\n", "	return claims > 0\n",
	}, {
		"takes an old record of its own for a claim of its own", "decide.go",
		"					wait = s.guarded(now)\n", "					wait = 0\n",
	}, {
		"serves on beside another record", "decide.go",
		"	case s.lease != nil && !sameRecord(s.lease, me.claimed(i)):\n", "	case false:\n",
	}, {
		"serves on without the shard's Lease", "decide.go",
		"		d.vanish = append(d.vanish, i)\n", "",
	}, {
		"serves on while it cannot find out what became of a Lease", "vanish.go",
		"	if left <= 0 {\n", "	if false {\n",
	}, {
		"looks for a Lease that has vanished again and again without a pause", "vanish.go",
		"h.looking, h.again = false, time.Now().Add(jitter(2*k.s.config.RetryPeriod))\n", "h.looking = false\n",
	}, {
		"believes that a session's Lease is missing because a reply says so", "lease_requests.go",
		"	if err == nil && found == nil {\n", "	if err == nil && found == nil && false {\n",
	}, {
		"serves on though it sees nothing of the set", "keeper.go",
		"left := k.sightLeft(now); left <= 0 {\n", "left := k.sightLeft(now); false {\n",
	}, {
		"says it holds a shard that was lost", "shardterm.go",
		"	h.part.Lose(cause)\n", "",
	}, {
		"claims again and again without a pause", "keeper_claim.go",
		"	k.slowDown(h)\n", "",
	}, {
		"serves beside replicas with another number of shards", "shardcount.go",
		"	result := rivalry{next: v.own, none: true}\n",
		"	result := rivalry{next: v.own, none: true}\n	if v.own > 0 {\n		return result\n	}\n",
	}, {
		"leaves the remainder to nobody", "assign.go",
		"		if more > 0 && quota[m] == least {\n", "		if more < 0 && quota[m] == least {\n",
	}, {
		"lets those keep the remainder who do not have it", "assign.go",
		"		if more > 0 && len(held[m]) > least {\n", "		if more > 0 {\n",
	}, {
		"moves more shards than it must", "assign.go",
		"			held[m] = append(held[m], shard)\n", "			held[m] = append(held[m][:0], shard)\n",
	}, {
		"counts replicas that leave", "view_replicas.go",
		"!r.unfit && !r.leaving() && ", "!r.unfit && ",
	}, {
		"counts sessions that have ended", "view_replicas.go",
		"return r.current.acquired != 0 && !r.over }", "return r.current.acquired != 0 }",
	}, {
		"passes a replica over for good", "view_shards.go",
		"		r.unfit = false // it does claim\n", "		_ = r\n",
	}, {
		"releases before the work has returned", "keeper_giveback.go",
		"	for i, h := range k.holdings {\n		if !h.stopped {\n			continue\n		}\n		if r, ok",
		"	for i, h := range k.holdings {\n		if h.ending.IsZero() {\n			continue\n		}\n		if r, ok",
	}, {
		"ends its session before the work has returned", "keeper.go",
		"	for k.working() { // the contexts", "	for k.working() && false { // the contexts",
	}, {
		"lets the work of a lost shard run on", "keeper_leave.go",
		"			if left <= 0 {\n				k.doom(h, now)\n			}\n", "",
	}, {
		"does not look after a shard whose work is ending", "decide.go",
		"		case active, ending:\n", "		case active:\n",
	}, {
		"waits for requests though work that does not stop runs on", "start.go",
		"			s.client.asker.Hurry()\n", "",
	}, {
		"ends a session that was renewed after it had lapsed", "lease_requests.go",
		"	if now := c.view.replica(s); now == nil || now.ResourceVersion != seen.ResourceVersion || ctx.Err() != nil {\n",
		"	if seen = c.view.replica(s); seen == nil || ctx.Err() != nil {\n",
	}, {
		"ends the session of a crashed process without Grace", "crashes_bury.go",
		"	wait.Sleep(ctx, time.Until(last.seen.Add(grace))+c.turn(last.mortal))\n", "",
	}, {
		"ends a session that was renewed since its process is said to be dead", "crashes_bury.go",
		"		if !late && !sameRecord(now, last.record) {\n", "		if !late && false {\n",
	}, {
		"ends whatever session has the Lease of a crashed process", "crashes.go",
		"		case processOf(record) == m.process:\n", "		case true:\n",
	}, {
		"releases whatever is there", "lease_requests.go",
		"	next.Spec = coordinationv1.LeaseSpec{HolderIdentity: ptr.To(\"\"), LeaseTransitions: seen.Spec.LeaseTransitions}\n",
		"	next.Spec, next.ResourceVersion = coordinationv1.LeaseSpec{HolderIdentity: ptr.To(\"\")}, \"\"\n",
	},
}
