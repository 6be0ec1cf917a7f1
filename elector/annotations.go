// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

// Annotations of a Lease that an Elector holds or has released. [ReadLease] reads them. They are
// for other processes and for people: an Elector knows its own record, and who leads, without them,
// so that administrators, GitOps tools and admission webhooks may remove them. The leader writes
// them again with its next renewal.
const (
	// WriterAnnotation names the process that wrote the record, and the write. What the other
	// annotations say is about the present holder only if this one is of the record's renewTime.
	WriterAnnotation = "kube-elector.io/writer"
	// LeaderTokenAnnotation is the [Token] of the holder's term. It is empty until the first
	// renewal, which follows the claim at once: the claim itself cannot know its resourceVersion.
	LeaderTokenAnnotation = "kube-elector.io/leader-token"
	// LeaderAnnotationsAnnotation lists the keys of the holder's [Config.Annotations], separated by
	// commas. The next leader removes those that it does not set itself.
	LeaderAnnotationsAnnotation = "kube-elector.io/leader-annotations"
	// ContainerAnnotation names the run of a container that the holder lives in, with
	// [Config.CrashDetection]: its Pod's namespace/name and UID, what its termination log says, and its
	// name if that is known, separated by spaces. Without it the others wait until the Lease lapses.
	ContainerAnnotation = "kube-elector.io/container"
	// LastTermAnnotation says how the term before the present one ended or, on a released Lease, the
	// last one. It is a [LastTerm] in JSON.
	LastTermAnnotation = "kube-elector.io/last-term"
	// StepDownAnnotation asks the leader to step down, as [Elector.StepDown] does. Its value is the
	// Token of the term that must end. A request with another value is removed by the leader's next
	// renewal. Everybody who may write the Lease may ask:
	//
	//	kubectl annotate lease NAME kube-elector.io/step-down=TOKEN
	//
	// A leader obeys at once, but once per S at most (30 s at the defaults; see Load in the package
	// comment). A request that comes earlier is obeyed when that time is over.
	StepDownAnnotation = "kube-elector.io/step-down"
)
