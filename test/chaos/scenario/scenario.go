// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package scenario has the scenarios of chaos. Each is one fault and what must then be so.
package scenario

import (
	"github.com/kube-elector/elector/test/chaos/fault"
	"github.com/kube-elector/elector/test/chaos/replica"
	"github.com/kube-elector/elector/test/chaos/stage"
	"github.com/kube-elector/elector/test/harness"
)

// A Scenario is one fault, injected into real processes.
type Scenario struct {
	Row  int // in the table of RESULTS.md
	Name string
	Must string
	stage.Setup
	Alone bool // on a control plane of its own, which it stops
	Short bool // in the short form
	// Length is about how many times longer it takes than most.
	Length int
	Play   func(*stage.Stage)
}

// Elsewhere has the rows that no process can be made to show.
var Elsewhere = []struct {
	Row         int
	Name, Where string
}{
	{27, "wall clock jumps ±1 h", "elector/deadline_test.go: pure functions of both clocks"},
	{28, "machine suspended", "elector/deadline_test.go: pure functions of both clocks"},
	{29, "clocks run ±10 % apart", "test/sim: virtual time"},
}

// All returns the rows that processes can play, in their order.
func All() []Scenario { return append(firstScenarios(), addedScenarios()...) }

func firstScenarios() []Scenario {
	return []Scenario{
		{Row: 1, Name: "leader killed", Short: true, Play: playKilled,
			Must: "next leads ≤ LeaseDuration + 250 ms after the last renewal; token higher"},
		{Row: 2, Name: "leader frozen past its lease", Short: true, Play: playFrozen,
			Must: "next leads at expiry; on waking the old context is dead ≤ 15 ms, its write is refused, it releases nothing"},
		{Row: 3, Name: "frozen briefly", Short: true, Play: playFrozenBriefly, Must: "no callback at all"},
		{Row: 4, Name: "clean stop, slow work", Short: true, Play: playSlowStop, Setup: stage.Setup{Behaves: slowWork},
			Must: "renewed while work ends; released after; next leads ≤ 50 ms later"},
		{Row: 5, Name: "work outlasts DrainTimeout", Play: playDeaf, Setup: stage.Setup{Behaves: deafWork},
			Must: "not released; Start's error says so; next leads at expiry"},
		{Row: 6, Length: 2, Name: "network gone", Short: true, Play: playCutOff, Must: "ends by the deadline; no overlap"},
		{Row: 7, Name: "writes land, replies lost", Short: true, Play: playLostReplies, Must: "as 6, counted from sending"},
		{Row: 8, Length: 3, Name: "replies late", Play: playLate, Must: "no overlap"},
		{Row: 9, Length: 2, Name: "standing connections die silently", Short: true, Play: playDeadConnections, Must: "leadership kept"},
		{Row: 10, Length: 2, Name: "reset; TLS handshake stalls", Short: true, Play: playStalledTLS, Must: "kept"},
		{Row: 11, Name: "API server restarts within 8 s", Alone: true, Setup: stage.Setup{Timing: harness.Defaults}, Play: playRestart(fault.ServerDown),
			Must: "at most one leader; kept if the outage < RD − RP"},
		{Row: 12, Name: "API server down 30 s", Alone: true, Setup: stage.Setup{Timing: harness.Defaults}, Play: playDown,
			Must: "ends on time; one election when it is back"},
		{Row: 13, Name: "etcd frozen 20 s", Alone: true, Setup: stage.Setup{Timing: harness.Defaults}, Play: playEtcdFrozen,
			Must: "calls bounded by our own timeouts"},
		{Row: 14, Name: "etcd restarts", Alone: true, Setup: stage.Setup{Timing: harness.Defaults}, Play: playRestart(fault.EtcdDown), Must: "as 11"},
		{Row: 15, Name: "Lease deleted", Short: true, Play: playDeleted,
			Must: "ends ≤ 50 ms; those who saw it held let its time pass before they claim"},
		{Row: 16, Name: "holder edited or blanked", Short: true, Play: playEdited,
			Must: "ends ≤ 50 ms; never overwritten by the loser"},
		{Row: 17, Name: "labels or annotations edited", Short: true, Play: playLabelled,
			Must: "no change of term; the edit survives"},
		{Row: 18, Length: 2, Name: "rubbish in the Lease", Play: playRubbish, Must: "no panic; bounded wait; bounded logs"},
		{Row: 19, Name: "two processes, one identity", Play: playTwins, Setup: stage.Setup{Replicas: 2, Identity: "twin"},
			Must: "found out; never two leaders"},
		{Row: 20, Name: "permission withdrawn", Play: playForbidden(fault.Forbidden), Must: "ends by the deadline; leads again when restored"},
		{Row: 21, Name: "updates refused by admission", Play: playForbidden(fault.NotAdmitted), Must: "as 20"},
		{Row: 22, Name: "token revoked", Length: 10, Play: playRevoked, Setup: stage.Setup{Late: true}, Must: "as 20; a new token is picked up"},
		{Row: 23, Name: "429 with Retry-After", Short: true, Play: playTooMany, Setup: stage.Setup{Gateway: true},
			Must: "one costs at most one attempt"},
		{Row: 24, Length: 2, Name: "500/503/504, cut or broken JSON", Short: true, Play: playServerErrors, Setup: stage.Setup{Gateway: true},
			Must: "tried again; no panic"},
		{Row: 25, Name: "controllers exhaust the client's limiter", Play: playExhausted, Setup: stage.Setup{Behaves: all(replica.Behaviour{Hammers: 10})},
			Must: "leadership unaffected"},
		{Row: 26, Name: "namespace terminating", Play: playTerminating, Must: "ends; error told; no hot loop"},
		{Row: 30, Name: "CPU starved", Alone: true, Play: playStarved, Setup: stage.Setup{Timing: harness.Defaults, Behaves: first(replica.Behaviour{Spinners: 8})},
			Must: "no needless loss at the defaults; if late, not leading"},
		{Row: 31, Name: "OnStartedLeading panics or returns early", Play: playPanic, Setup: stage.Setup{Late: true, Behaves: panicking},
			Must: "a panic is not swallowed and never leaves a held lease renewed; an early return leads on"},
		{Row: 32, Name: "cancelled between the winning write and the callback", Short: true, Play: playCancelled,
			Setup: stage.Setup{Late: true, Replicas: 1, Gateway: true}, Must: "no unpaired callback; released"},
		{Row: 33, Name: "1,000 changes of leader", Length: 30, Play: playChanges(1000), Must: "no leak of goroutines or connections; pairs in order"},
		{Row: 34, Name: "replicas with different LeaseDurations", Play: playDurations, Setup: stage.Setup{Lasts: longFirst},
			Must: "the holder's recorded one counts, capped"},
		{Row: 35, Name: "API server absent at start", Alone: true, Play: playAbsent, Setup: stage.Setup{Late: true},
			Must: "never leads without a write; waits, then leads"},
	}
}

func addedScenarios() []Scenario {
	return []Scenario{
		{Row: 36, Length: 2, Name: "work ignores its context, term lost", Short: true, Play: playStubborn, Setup: stage.Setup{Behaves: stubborn},
			Must: "Start returns by the context's end + LeaseDuration − RenewDeadline, before anybody else leads; names what hangs"},
		{Row: 37, Length: 10, Name: "API server away for 3, 15 and 60 s, one replica, one changed line", Play: playAway,
			Setup: stage.Setup{Timing: harness.Defaults, Replicas: 1, Behaves: all(replica.Behaviour{OneLine: true})},
			Must:  "process lives, no reconcile while not leading, works again ≤ 1 s after the API server is back"},
		{Row: 38, Length: 2, Name: "annotations removed, or stripped from every write", Short: true, Play: playBare,
			Must: "no change of term"},
		{Row: 39, Name: "old copy of the Lease re-applied while another leads", Short: true, Play: playReapplied,
			Must: "the other's time passes before we claim"},
		{Row: 40, Name: "process image cloned", Play: playTwins, Setup: stage.Setup{Replicas: 2, Identity: "twin", Behaves: all(replica.Behaviour{Cloned: true})},
			Must: "found out, never two leaders"},
		{Row: 41, Length: 2, Name: "requests that ignore their contexts hang", Short: true, Play: playHung, Setup: stage.Setup{Behaves: all(replica.Behaviour{Drain: drainLimit})},
			Must: "term, drain and Start bounded all the same; the right culprit named"},
		{Row: 42, Length: 20, Name: "every request refused, or every watch, for minutes", Play: playLasting,
			Setup: stage.Setup{Timing: harness.Defaults, Replicas: 4, Gateway: true},
			Must:  "standby ≤ 20 requests/min, ≤ 4 if nothing is permitted; leader ≤ 32; the log names the present reason"},
		{Row: 43, Length: 10, Name: "Lease deleted every 10 ms", Play: playJanitor, Setup: stage.Setup{Timing: harness.Defaults}, Must: "terms spaced out, ≤ 10 log lines/min"},
		{Row: 44, Name: "container killed, one changed line", Short: true, Play: playKilledOperator, Setup: stage.Setup{Behaves: all(replica.Behaviour{OneLine: true})},
			Must: "next leads ≤ LeaseDuration + 250 ms after the last renewal (≤ 1.5 s with crash detection, on a node), and reconciles"},
		{Row: 47, Length: 6, Name: "a replica of a sharded operator crashes, freezes, is cut off, leaves, joins", Play: playSharded,
			Setup: stage.Setup{Replicas: 4, Behaves: all(replica.Behaviour{Shards: shardCount})},
			Must:  "no key reconciled by two, none lost, balance restored; a crashed one's shards served elsewhere ≤ LeaseDuration + 600 ms later"},
	}
}
