package probe

import (
	"context"
	"sync"
	"time"

	"sallyport/internal/hop"
)

// clock runs while no person is asked. It is the hop.Asker of the dials, so
// that it knows.
type clock struct {
	hop.Asker
	expire func()           // when the limit is used up
	heard  func(hop.Notice) // hears of what the person is told

	// state: guarded by mu
	mu     sync.Mutex
	start  time.Time
	asked  time.Duration // spent on questions so far
	asking int
	since  time.Time // of the question under way
	runs   time.Time // since when the timer does
	left   time.Duration
	timer  *time.Timer
}

func newClock(ask hop.Asker, limit time.Duration, expire func(), heard func(hop.Notice)) *clock {
	c := &clock{Asker: ask, expire: expire, heard: heard, start: time.Now(), runs: time.Now(), left: limit}
	c.timer = time.AfterFunc(limit, expire)
	return c
}

// at is the clock's time at a moment, from its start.
func (c *clock) at(t time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking > 0 && t.After(c.since) {
		t = c.since
	}
	return t.Sub(c.start) - c.asked
}

// Ask is hop.Asker's.
func (c *clock) Ask(ctx context.Context, q hop.Question) (string, error) {
	c.pause()
	defer c.resume()
	return c.Asker.Ask(ctx, q)
}

// Tell is hop.Asker's.
func (c *clock) Tell(n hop.Notice) {
	c.heard(n)
	c.Asker.Tell(n)
}

func (c *clock) pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking++; c.asking > 1 {
		return
	}
	c.since = time.Now()
	if c.timer.Stop() {
		c.left = max(c.left-time.Since(c.runs), time.Millisecond)
	}
}

func (c *clock) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking--; c.asking > 0 {
		return
	}
	c.asked += time.Since(c.since)
	c.runs = time.Now()
	c.timer.Reset(c.left)
}

func (c *clock) stop() { c.timer.Stop() }
