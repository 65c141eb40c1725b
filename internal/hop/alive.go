package hop

import (
	"context"
	"time"
)

// Keepalive defaults: ours are on where ssh(1)'s are off, because a shared
// connection that is silently dead would hang everybody who uses it.
const (
	defaultAliveInterval = 15 * time.Second
	defaultAliveCount    = 3
)

// A tunnelled connection that rests is asked only when nothing was heard for
// restingInterval: each question crosses every hop before it, and who uses the
// connection next finds out by himself.
const restingInterval = 4 * defaultAliveInterval

// Rest says whether nobody uses the connection for the time being.
func (c *Conn) Rest(unused bool) { c.resting.Store(unused) }

// mayRest reports whether the connection need not be asked yet.
func (c *Conn) mayRest() bool {
	return c.via != "" && c.resting.Load() && !c.hop.Options.Connect.ServerAliveSet &&
		time.Since(c.wire.lastHeard()) < restingInterval-defaultAliveInterval/2
}

// aliveSettings are ServerAliveInterval and ServerAliveCountMax, or ours.
func (c *Conn) aliveSettings() (time.Duration, int) {
	o := c.hop.Options.Connect
	if !o.ServerAliveSet {
		return defaultAliveInterval, defaultAliveCount
	}
	return o.ServerAliveInterval, max(o.ServerAliveCountMax, 1)
}

// began is what the times of our own interval are counted from.
var began = time.Now()

// tick is how long to wait for the next look. With our own interval all
// connections look at the same times: a process that wakes once for a hundred
// of them needs less than one that wakes a hundred times.
func (c *Conn) tick(interval time.Duration) time.Duration {
	if c.hop.Options.Connect.ServerAliveSet {
		return interval
	}
	return interval - time.Since(began)%interval
}

// keepAlive ends the connection when the server has answered nothing for
// interval × count. Bytes that arrive count as an answer.
func (c *Conn) keepAlive() {
	interval, count := c.aliveSettings()
	if interval <= 0 {
		return
	}
	next := time.NewTimer(interval + c.tick(interval)%interval) // a whole interval at least
	defer next.Stop()
	missed, seen := 0, c.wire.in.Load()
	answers := make(chan error, 1)
	waiting := false
	for {
		select {
		case <-c.closing:
			return
		case <-answers:
			waiting, missed = false, 0
			continue
		case <-next.C:
			next.Reset(c.tick(interval))
		}
		if now := c.wire.in.Load(); now != seen {
			seen, missed = now, 0
			continue
		}
		if !waiting && c.mayRest() {
			continue
		}
		if missed++; missed > count {
			c.fail(&TimeoutError{After: (interval * time.Duration(count)).String(), Doing: silence[StageAlive],
				Note: "Timeout, server not responding"})
			return
		}
		if !waiting {
			waiting = true
			go func() {
				_, err := c.Ping(context.Background())
				answers <- err
			}()
		}
	}
}
