// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

// scenario is one fault, played on real processes. Its row is its number in the table of RESULTS.md.
type scenario struct {
	row  int
	name string
	must string
	setup
	alone bool // with a control plane of its own, which it stops
	short bool // in the short form
	// length is about how many times longer it takes than most.
	length int
	play   func(*stage) error
}

// elsewhere are the rows that no process can be made to show.
var elsewhere = []struct {
	row         int
	name, where string
}{
	{27, "wall clock jumps ±1 h", "elector/validity_test.go: pure functions of both clocks"},
	{28, "machine suspended", "elector/validity_test.go: pure functions of both clocks"},
	{29, "clocks run ±10 % apart", "test/sim: virtual time"},
}

// scenarios returns all rows that processes can play, in their order.
func scenarios() []scenario { return append(firstScenarios(), addedScenarios()...) }

func firstScenarios() []scenario {
	return []scenario{
		{row: 1, name: "leader killed", short: true, play: playKilled,
			must: "next leads ≤ LeaseDuration + 250 ms after the last renewal; token higher"},
		{row: 2, name: "leader frozen past its lease", short: true, play: playFrozen,
			must: "next leads at expiry; on waking the old context is dead ≤ 15 ms, its write is refused, it releases nothing"},
		{row: 3, name: "frozen briefly", short: true, play: playFrozenBriefly, must: "no callback at all"},
		{row: 4, name: "clean stop, slow work", short: true, play: playSlowStop, setup: setup{behaves: slowWork},
			must: "renewed while work ends; released after; next leads ≤ 50 ms later"},
		{row: 5, name: "work outlasts DrainTimeout", play: playDeaf, setup: setup{behaves: deafWork},
			must: "not released; Start's error says so; next leads at expiry"},
		{row: 6, length: 2, name: "network gone", short: true, play: playCutOff, must: "ends by the deadline; no overlap"},
		{row: 7, name: "writes land, replies lost", short: true, play: playLostReplies, must: "as 6, counted from sending"},
		{row: 8, length: 3, name: "replies late", play: playLate, must: "no overlap"},
		{row: 9, length: 2, name: "standing connections die silently", short: true, play: playDeadConnections, must: "leadership kept"},
		{row: 10, length: 2, name: "reset; TLS handshake stalls", short: true, play: playStalledTLS, must: "kept"},
		{row: 11, name: "API server restarts within 8 s", alone: true, setup: setup{timing: defaults}, play: playRestart(serverDown),
			must: "at most one leader; kept if the outage < RD − RP"},
		{row: 12, name: "API server down 30 s", alone: true, setup: setup{timing: defaults}, play: playDown,
			must: "ends on time; one election when it is back"},
		{row: 13, name: "etcd frozen 20 s", alone: true, setup: setup{timing: defaults}, play: playEtcdFrozen,
			must: "calls bounded by our own timeouts"},
		{row: 14, name: "etcd restarts", alone: true, setup: setup{timing: defaults}, play: playRestart(etcdDown), must: "as 11"},
		{row: 15, name: "Lease deleted", short: true, play: playDeleted,
			must: "ends ≤ 50 ms; those who saw it held let its time pass before they claim"},
		{row: 16, name: "holder edited or blanked", short: true, play: playEdited,
			must: "ends ≤ 50 ms; never overwritten by the loser"},
		{row: 17, name: "labels or annotations edited", short: true, play: playLabelled,
			must: "no change of term; the edit survives"},
		{row: 18, length: 2, name: "rubbish in the Lease", play: playRubbish, must: "no panic; bounded wait; bounded logs"},
		{row: 19, name: "two processes, one identity", play: playTwins, setup: setup{replicas: 2, identity: "twin"},
			must: "found out; never two leaders"},
		{row: 20, name: "permission withdrawn", play: playForbidden(forbidden), must: "ends by the deadline; leads again when restored"},
		{row: 21, name: "updates refused by admission", play: playForbidden(notAdmitted), must: "as 20"},
		{row: 22, name: "token revoked", length: 10, play: playRevoked, setup: setup{late: true}, must: "as 20; a new token is picked up"},
		{row: 23, name: "429 with Retry-After", short: true, play: playTooMany, setup: setup{gateway: true},
			must: "one costs at most one attempt"},
		{row: 24, length: 2, name: "500/503/504, cut or broken JSON", short: true, play: playServerErrors, setup: setup{gateway: true},
			must: "tried again; no panic"},
		{row: 25, name: "controllers exhaust the client's limiter", play: playExhausted, setup: setup{behaves: hammering},
			must: "leadership unaffected"},
		{row: 26, name: "namespace terminating", play: playTerminating, must: "ends; error told; no hot loop"},
		{row: 30, name: "CPU starved", alone: true, play: playStarved, setup: setup{timing: defaults, behaves: spinning},
			must: "no needless loss at the defaults; if late, not leading"},
		{row: 31, name: "OnStartedLeading panics or returns early", play: playPanic, setup: setup{late: true, behaves: panicking},
			must: "a panic is not swallowed and never leaves a held lease renewed; an early return leads on"},
		{row: 32, name: "cancelled between the winning write and the callback", short: true, play: playCancelled,
			setup: setup{late: true, replicas: 1, gateway: true}, must: "no unpaired callback; released"},
		{row: 33, name: "1,000 changes of leader", length: 30, play: playChanges(1000), must: "no leak of goroutines or connections; pairs in order"},
		{row: 34, name: "replicas with different LeaseDurations", play: playDurations, setup: setup{lasts: longFirst},
			must: "the holder's recorded one counts, capped"},
		{row: 35, name: "API server absent at start", alone: true, play: playAbsent, setup: setup{late: true},
			must: "never leads without a write; waits, then leads"},
	}
}

func addedScenarios() []scenario {
	return []scenario{
		{row: 36, length: 2, name: "work ignores its context, term lost", short: true, play: playStubborn, setup: setup{behaves: stubborn},
			must: "Start returns by the context's end + LeaseDuration − RenewDeadline, before anybody else leads; names what hangs"},
		{row: 37, length: 10, name: "API server away for 3, 15 and 60 s, one replica, one changed line", play: playAway,
			setup: setup{timing: defaults, replicas: 1, behaves: oneLine},
			must:  "process lives, no reconcile while not leading, works again ≤ 1 s after the API server is back"},
		{row: 38, length: 2, name: "annotations removed, or stripped from every write", short: true, play: playBare,
			must: "no change of term"},
		{row: 39, name: "old copy of the Lease re-applied while another leads", short: true, play: playReapplied,
			must: "the other's time passes before we claim"},
		{row: 40, name: "process image cloned", play: playTwins, setup: setup{replicas: 2, identity: "twin", behaves: cloned},
			must: "found out, never two leaders"},
		{row: 41, length: 2, name: "requests that ignore their contexts hang", short: true, play: playHung, setup: setup{behaves: drainLimit},
			must: "term, drain and Start bounded all the same; the right culprit named"},
		{row: 42, length: 20, name: "every request refused, or every watch, for minutes", play: playLasting,
			setup: setup{timing: defaults, replicas: 4, gateway: true},
			must:  "standby ≤ 20 requests/min, ≤ 4 if nothing is permitted; leader ≤ 32; the log names the present reason"},
		{row: 43, length: 10, name: "Lease deleted every 10 ms", play: playJanitor, setup: setup{timing: defaults}, must: "terms spaced out, ≤ 10 log lines/min"},
		{row: 44, name: "container killed, one changed line", short: true, play: playKilledOperator, setup: setup{behaves: oneLine},
			must: "next leads ≤ LeaseDuration + 250 ms after the last renewal (≤ 1.5 s with crash detection, on a node), and reconciles"},
	}
}
