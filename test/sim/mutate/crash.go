// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

// crashMutations break crash detection.
var crashMutations = []mutation{
	{
		"believes the phase Failed", "internal/crash/end.go",
		"	if i.Container == \"\" && len(statuses) != 1 {", "	if pod.Status.Phase == corev1.PodFailed {\n		return End{}, true\n	}\n	if i.Container == \"\" && len(statuses) != 1 {",
	}, {
		"believes exit code 255", "internal/crash/end.go", "t.ExitCode > 254", "t.ExitCode > 255",
	}, {
		"believes exit code 128", "internal/crash/end.go", " || t.ExitCode == 128 {", " {",
	}, {
		"believes exit code -1", "internal/crash/end.go", "t.ExitCode < 0 ||", "t.ExitCode < -1 ||",
	}, {
		"believes the reason Unknown", "internal/crash/end.go", "\"OOMKilled\"}", "\"OOMKilled\", \"Unknown\"}",
	}, {
		"believes ContainerStatusUnknown", "internal/crash/end.go", "\"OOMKilled\"}", "\"OOMKilled\", \"ContainerStatusUnknown\"}",
	}, {
		"believes docker", "internal/crash/end.go", "strings.HasPrefix(t.ContainerID, \"cri-o://\")", "t.ContainerID != \"\"",
	}, {
		"believes a report without a containerID", "internal/crash/end.go",
		"strings.HasPrefix(t.ContainerID, \"cri-o://\")", "t.ContainerID == \"\"",
	}, {
		"believes a deletion", "internal/crash/follow.go",
		"	case !apierrors.IsNotFound(err) &&", "	case apierrors.IsNotFound(err):\n		found(End{})\n	case",
	}, {
		"believes a Pod that is being deleted", "internal/crash/end.go",
		"	if i.Container == \"\" && len(statuses) != 1 {", "	if pod.DeletionTimestamp != nil {\n		return End{}, true\n	}\n	if i.Container == \"\" && len(statuses) != 1 {",
	}, {
		"does not compare the nonce", "internal/crash/end.go", "t.Message == string(i.Nonce) && ", "",
	}, {
		"looks for the nonce within the message", "internal/crash/end.go", "t.Message == string(i.Nonce) && ", "strings.Contains(t.Message, string(i.Nonce)) && ",
	}, {
		"does not compare the UID", "internal/crash/end.go", " || pod.UID != i.UID ||", " ||",
	}, {
		"believes what shares the host's processes", "internal/crash/end.go", "pod.Spec.HostPID || share", "share",
	}, {
		"believes what shares its Pod's processes", "internal/crash/end.go", "pod.Spec.HostPID || share != nil && *share", "pod.Spec.HostPID || share != nil && false",
	}, {
		"believes any container of the Pod", "internal/crash/end.go", "	if i.Container == \"\" && len(statuses) != 1 {", "	if false {",
	}, {
		"does not look at the last state", "internal/crash/end.go", "{status.State.Terminated, status.LastTerminationState.Terminated}", "{status.State.Terminated}",
	}, {
		"does not wait for Grace", "internal/lease/crashproof.go", ", o.Ending.Grace-m.StandbySince(o.Ending.Seen))", ")",
	}, {
		"waits past the lapse", "internal/lease/observation.go", "left = min(left, o.endedIn(m))", "left = max(left, o.endedIn(m))",
	}, {
		"believes the report when the holder renews after it", "internal/lease/crashproof.go", "doubted:   o.proof.doubted || doubted,", "doubted:   false,",
	}, {
		"believes it of the next record", "internal/lease/crashproof.go", "	if v.obs.Process() != process {\n		return false\n	}\n", "",
	}, {
		"forgets the holder before", "internal/lease/crashproof.go", "inherited: o.ClaimableIn(m), older:", "inherited: 0, older:",
	}, {
		"believes a copy of the annotation", "internal/lease/crashproof.go", " || !Signed(lease, signature) {", " {",
	}, {
		"believes it of a holder that somebody has written", "internal/lease/crashproof.go", "tied != Tied(process, Holder(lease)) || ", "",
	}, {
		"claims whatever is there", "internal/lease/client.go",
		"		return c.leases.Update(ctx, next, metav1.UpdateOptions{})\n",
		"		if latest, e := c.leases.Get(ctx, c.name, metav1.GetOptions{}); e == nil {\n" +
			"			next.ResourceVersion = latest.ResourceVersion\n		}\n" +
			"		return c.leases.Update(ctx, next, metav1.UpdateOptions{})\n",
	}, {
		"logs the nonce", "crashdetection.go", "\"pod\", i.Name(),", "\"pod\", i.Encode(),",
	}, {
		"does not read its log back", "internal/crash/terminationlog.go", "	if err := l.says(signed.Nonce); err != nil {\n		return Instance{}, err\n	}\n	nonces", "	nonces",
	}, {
		"is offered without a PID namespace of its own", "internal/crash/terminationlog.go", "	return l, errors.Join(err, p.endsWithContainer())\n", "	return l, err\n",
	}, {
		"asks for the Pod all the time", "crashdetection_podwatch.go", "	if w.asked == obs.Changed {\n		return\n	}\n", "",
	}, {
		"never looks whether the watch of the Pod is alive", "standby.go", "			e.crash.holderSilent(obs)\n", "",
	},
}
