// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

// A mutation breaks a package on purpose, by one edit of one of its files.
type mutation struct {
	name     string
	file     string // below the package's folder
	old, new string // old stands there once
}

// mutations break package elector.
var mutations = []mutation{
	{
		"counts a renewal from its reply", "internal/lease/client.go",
		"	return lease, sent, nil\n", "	return lease, Now(), nil\n",
	}, {
		"skips the compare-and-swap", "internal/lease/client.go",
		"		return c.leases.Update(ctx, next, metav1.UpdateOptions{})\n",
		"		if latest, e := c.leases.Get(ctx, c.name, metav1.GetOptions{}); e == nil {\n" +
			"			next.ResourceVersion = latest.ResourceVersion\n		}\n" +
			"		return c.leases.Update(ctx, next, metav1.UpdateOptions{})\n",
	}, {
		"has no time limit for a request", "internal/lease/client.go",
		"context.WithTimeoutCause(ctx, c.attempt,", "context.WithTimeoutCause(ctx, 1000*c.attempt,",
	}, {
		"releases before the work has ended", "term_run.go",
		"	t.overErr = e.drain(c, t, w)\n", "	_ = e.relinquish(ctx, t, started)\n	t.overErr = e.drain(c, t, w)\n",
	}, {
		"does not wait for the work when the Lease is lost", "term_drain.go",
		"			lost = nil\n			c.halt()\n", "			return nil\n",
	}, {
		"has no bound of its own for a lost term's end", "term_drain.go",
		"	if lost != nil && t.renewDeadline > 0 {\n", "	if false {\n",
	}, {
		"has no watchdog", "term_run.go",
		"t.watchdog(stop, e.config.tick())", "_ = e.config.tick()",
	}, {
		"stops before the work has returned", "callbacks.go",
		"			f(t.ctx)\n", "			go f(t.ctx)\n",
	}, {
		"leads on beside another holder", "term_state.go",
		"	case !obs.Ours:\n", "	case false:\n",
	}, {
		"leads on without a Lease", "term_state.go",
		"	case obs.Lease == nil || obs.Lease.UID != t.uid:\n", "	case obs.Lease == nil:\n	case obs.Lease.UID != t.uid:\n",
	}, {
		"claims when RenewDeadline has passed", "internal/lease/observation.go",
		"	recorded := time.Duration(*spec.LeaseDurationSeconds) * time.Second\n",
		"	recorded := time.Duration(*spec.LeaseDurationSeconds) * time.Second * 2 / 3\n",
	}, {
		"waits its own duration instead of the holder's", "internal/lease/observation.go",
		"	recorded := time.Duration(*spec.LeaseDurationSeconds) * time.Second\n", "	recorded := d.own\n",
	}, {
		"waits for any duration an administrator has written", "internal/lease/observation.go",
		"	if recorded <= r.longest || renewing {\n", "	if true {\n",
	}, {
		"takes a deleted Lease for free", "internal/lease/observation.go",
		"		// must pass all the same.\n		return keep()\n", "",
	}, {
		"forgets the validity of a record that was replaced", "internal/lease/observation.go",
		"max(r.validity(&lease.Spec, next.renewing, m), o.ClaimableIn(m))", "r.validity(&lease.Spec, next.renewing, m)",
	}, {
		"believes an old copy of its own record", "internal/lease/record_writes.go",
		"		case wrote && !w.overtaken && v.unbroken(w, version):\n" +
			"			w.version, ours = version, true\n" +
			"		case wrote:\n" +
			"			restored = true\n" +
			"			continue\n" +
			"		case w.base == version:\n" +
			"		case w.base == \"\" && w.version == \"\" && !w.settled && Now().Mono < w.open:\n" +
			"			w.overtaken = true // There may be no Lease again when it is carried out.\n" +
			"		default:\n" +
			"			continue\n",
		"		case wrote:\n			w.version, ours = version, true\n",
	}, {
		"forgets what a renewal without an answer may have done", "internal/lease/observation.go", "		if o.unseen != nil {", "		if false {",
	}, {
		"forgets a creation that others overtook", "internal/lease/record_writes.go", "			w.overtaken = true //", "			continue //",
	}, {
		"claims what an unseen winner held", "internal/lease/view.go", "	unseen := lease == nil && v.overtaken != nil", "	unseen := false",
	}, {
		"does not draw its acquireTime", "claim.go", "r.AcquireTime.Add(rand.N(claimSpread))", "r.AcquireTime.Add(0*rand.N(claimSpread))",
	}, {
		"looks at nothing while there is no holder", "standby.go", "(obs.Holder() != \"\" || obs.Validity > 0)", "obs.Holder() != \"\"",
	}, {
		"believes a stale event of the watch", "internal/lease/view.go",
		"	return err == nil && order < 0\n", "	return err == nil && order < 0 && false\n",
	}, {
		"takes the token from the write before", "leaderelection.go",
		"			c.began <- t\n", "			if base.Lease != nil {\n				t.Token = Token(base.Lease.ResourceVersion)\n			}\n			c.began <- t\n",
	}, {
		"knows itself by its Identity alone", "internal/lease/record.go",
		"	if Holder(lease) != a.Identity || lease.Spec.RenewTime == nil || !lease.Spec.RenewTime.Time.Equal(w.renewTime) {\n",
		"	if Holder(lease) != a.Identity {\n",
	}, {
		"releases the Lease of another holder", "release.go",
		"		case !obs.Ours && !doubtful:\n", "		case obs.Holder() == \"\":\n",
	}, {
		"releases again and again without a pause", "release.go",
		"		wait.Sleep(ctx, pause)\n", "		wait.Sleep(ctx, 0*pause)\n",
	}, {
		"trusts a watch that has died", "internal/lease/watch_silence.go",
		"		if t.awaited == timer {\n", "		if t.awaited == timer && false {\n",
	}, {
		"says it leads until the term is put away", "elector.go",
		"IsLeader() bool { return e.Remaining() > 0 }", "IsLeader() bool { return e.term.Load() != nil }",
	}, {
		"believes that a clone's record is its own", "internal/lease/record.go",
		"	return signature == a.signature(w) || ", "	return true || signature == a.signature(w) || ",
	}, {
		"knows its record only by the annotation", "internal/lease/record.go",
		"	return signature == a.signature(w) || ", "	return signature == a.signature(w) || false && ",
	}, {
		"takes a blank record that was edited for free", "internal/lease/observation.go",
		"	case o.Known && (!same || o.Holder() == \"\"):\n", "	case o.Known && !same:\n",
	}, {
		"takes an hour's lease after ten minutes", "internal/lease/observation.go",
		"	if recorded <= r.longest || renewing {\n",
		"	if recorded > r.longest {\n		return r.longest\n	} else {\n",
	}, {
		"releases while a hold is open", "term_state.go",
		"	if t.holds == 0 {\n", "	if t.holds >= 0 {\n",
	}, {
		"waits for a request that ignores its context", "internal/lease/hungrequests.go",
		"time.NewTimer(r.grace)", "time.NewTimer(1000 * time.Hour)",
	}, {
		"says nil of every StepDown", "release.go",
		"		resigned.answer(err)\n", "		resigned.answer(nil)\n",
	}, {
		"keeps a Lease that it won too late", "release.go",
		"(e.config.ReleaseOnCancel || !e.ran)", "e.config.ReleaseOnCancel",
	}, {
		"does not slow down when its requests are refused", "standby.go",
		"e.yield(obs), e.tries.requests.In(m), ", "e.yield(obs), ",
	}, {
		"claims at once after terms that ended at once", "standby.go",
		", e.tries.terms.In(m))", ")",
	},
}

// few are the kinds of faults with which a mutation is looked for if all kinds together show it in too few plans.
var few = map[string]string{
	"takes a blank record that was edited for free":       "remodel,partition",
	"waits for any duration an administrator has written": "rubbish",
}
