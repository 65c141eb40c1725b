package main_test

import (
	"strings"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// The tests that are called TestCost bound what must not grow, as ratios and
// counts and never in seconds: "make bench-check" runs them by themselves.

// TestCostOfAWarmCommandInRoundTrips: on a connection that has just been used, a
// command takes one round trip: its channel is open already.
func TestCostOfAWarmCommandInRoundTrips(t *testing.T) {
	const rtt = 500 * time.Millisecond
	var link *sshtest.Proxy
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target", Through: func(addr string) string {
		link = sshtest.NewProxy(t, addr)
		return link.Addr
	}})
	u := newUser(t, c)
	u.must("target", "true")
	link.Delay(rtt)
	best := time.Hour
	for range 6 { // what is kept ready takes a round trip of its own to get so
		begun := time.Now()
		u.must("target", "true")
		if best = min(best, time.Since(begun)); best < 2*rtt {
			break
		}
		time.Sleep(2 * rtt)
	}
	if best >= 2*rtt {
		t.Errorf("the fastest command took %v with a round trip of %v: two of them or more", best, rtt)
	}
	wantOneLogin(t, c, "target")
}

// TestSpareKeepsToMaxSessions: what is kept ready is never one more than the
// server allows.
func TestSpareKeepsToMaxSessions(t *testing.T) {
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target", ExtraConfig: []string{"MaxSessions 1"}})
	u := newUser(t, c)
	for range 5 {
		u.must("target", "true")
		time.Sleep(50 * time.Millisecond)
	}
	if log := c.Host("target").Log(); strings.Contains(log, "no more sessions") {
		t.Errorf("the server was asked for more sessions than it allows:\n%s", log)
	}
	wantOneLogin(t, c, "target")
}
