// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// hangs makes a callback of the candidate hang, and returns how to end that.
func (c *candidate) hangs(callback string) (end func()) {
	hang := make(chan struct{})
	switch callback {
	case "OnStartedLeading":
		c.atEnd = func(context.Context) { <-hang }
	case "OnStoppedLeading":
		c.callbacks.OnStoppedLeading = func() { <-hang }
	}
	return func() { close(hang) }
}

func TestGuarantee1TheEndOfALostTermIsOverBeforeAnotherLeads(t *testing.T) {
	const margin = DefaultLeaseDuration - DefaultRenewDeadline
	for name, c := range map[string]struct {
		callback string
		lose     func(*candidate)
		drain    time.Duration
		want     time.Duration // after the context's end
	}{
		"expired":                      {"OnStartedLeading", func(c *candidate) { c.client.Partition() }, 0, margin},
		"expired, OnStoppedLeading":    {"OnStoppedLeading", func(c *candidate) { c.client.Partition() }, 0, margin},
		"taken over":                   {"OnStartedLeading", func(c *candidate) { c.w.isHeldBy("x") }, 0, margin},
		"deleted":                      {"OnStartedLeading", func(c *candidate) { c.w.server.Delete(testNamespace, testLease) }, 0, margin},
		"DrainTimeout is shorter":      {"OnStartedLeading", func(c *candidate) { c.client.Partition() }, 3 * time.Second, 3 * time.Second},
		"lost in a voluntary end":      {"OnStartedLeading", func(c *candidate) { c.stop(); time.Sleep(10 * time.Second); c.w.isHeldBy("x") }, 0, 10*time.Second + margin},
		"lost late in a voluntary end": {"OnStartedLeading", func(c *candidate) { c.stop(); time.Sleep(28 * time.Second); c.w.isHeldBy("x") }, 0, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a", func(config *Config) { config.DrainTimeout = c.drain })
				end := a.hangs(c.callback)
				var ended time.Time
				work := a.callbacks.OnStartedLeading
				a.callbacks.OnStartedLeading = func(ctx context.Context) {
					context.AfterFunc(ctx, func() { ended = time.Now() })
					work(ctx)
				}
				a.start().leads(time.Second)
				b := w.candidate("b").start()
				time.Sleep(61 * time.Second)
				c.lose(a)
				err := a.result(time.Minute)
				if !errors.Is(err, ErrDrainTimeout) || !strings.Contains(err.Error(), c.callback) {
					t.Errorf("Start returned %v, want ErrDrainTimeout with the name of %s", err, c.callback)
				}
				synctest.Wait() // orders the read of ended
				if after := time.Since(ended); after != c.want {
					t.Errorf("Start returned %v after the context's end, want %v", after, c.want)
				}
				if b.IsLeader() || a.Healthz(nil) == nil {
					t.Error("another leads already, or the Elector is healthy")
				}
				end()
				synctest.Wait()
			})
		})
	}
}

func TestGuarantee1AnOnNewLeaderThatHangsDoesNotDelayTheEndOfALostTerm(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		hang := make(chan struct{})
		a.onNewLeader(func(string) { <-hang })
		end := a.hangs("OnStartedLeading")
		a.start().leads(time.Second)
		a.client.Partition()
		w.until(time.Minute, "the term ends", func() bool { return !a.IsLeader() })
		if err := a.result(DefaultLeaseDuration - DefaultRenewDeadline + time.Millisecond); !errors.Is(err, ErrDrainTimeout) {
			t.Errorf("Start returned %v", err)
		}
		close(hang)
		end()
		synctest.Wait()
	})
}

func TestGuarantee1AMachineSuspendedWhileALostTermEndsIsNotWaitedForLonger(t *testing.T) {
	e := &Elector{config: testConfig("a")}
	e.config.setDurations()
	lost := asleep(t, time.Minute, time.Minute)
	lost.held()
	ended, at := lost.ends()
	for name, c := range map[string]struct{ mono, wall, want time.Duration }{
		"running":               {2 * time.Second, 2 * time.Second, 3 * time.Second},
		"suspended":             {time.Second, time.Minute, 0},
		"wall clock set back":   {2 * time.Second, -time.Hour, 3 * time.Second},
		"stopped and continued": {time.Hour, time.Hour, 0},
	} {
		m := lease.Moment{Mono: at.Mono + c.mono, Wall: at.Wall.Add(c.wall)}
		if left, wake := e.drainLeft(lost, m, false); left.Round(time.Millisecond) != c.want || wake > time.Second {
			t.Errorf("%s: %v left, next look in %v, want %v left; ended %v", name, left, wake, c.want, ended)
		}
	}
}

func TestWorkThatOutlastsItsContextIsLogged(t *testing.T) {
	for name, end := range map[string]func(*candidate){
		"stopped": func(c *candidate) { c.stop() },
		"lost":    func(c *candidate) { c.w.isHeldBy("x") },
	} {
		for _, callback := range []string{"OnStartedLeading", "OnStoppedLeading"} {
			t.Run(name+", "+callback, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					a := w.candidate("a")
					log := a.logged(slog.LevelWarn)
					release := a.hangs(callback)
					a.start().leads(time.Second)
					end(a)
					time.Sleep(slowWork - time.Millisecond)
					if strings.Contains(log.String(), "still running") {
						t.Errorf("logged before %v had passed:\n%s", slowWork, log)
					}
					time.Sleep(2 * time.Millisecond)
					if !strings.Contains(log.String(), "still running") || !strings.Contains(log.String(), callback) {
						t.Errorf("not logged, or without the callback's name:\n%s", log)
					}
					time.Sleep(time.Second)
					if n := strings.Count(log.String(), "still running"); n != 1 {
						t.Errorf("logged %d times:\n%s", n, log)
					}
					release()
				})
			})
		}
	}
}
