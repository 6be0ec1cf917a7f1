// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"strconv"

	operatorconfig "github.com/kube-elector/elector/examples/operator/config"
	"github.com/kube-elector/elector/manager"
)

// leaderService makes a Service point at the leader's /metrics.
func leaderService(o options) (manager.Option, error) {
	_, port, err := net.SplitHostPort(o.metricsAddress)
	if err != nil {
		return nil, fmt.Errorf("--leader-service needs --metrics-bind-address: %w", err)
	}
	number, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("--metrics-bind-address: %w", err)
	}
	return manager.WithLeaderService(operatorconfig.LeaderService, manager.LeaderPort{Name: "metrics", Port: int32(number)}), nil
}
