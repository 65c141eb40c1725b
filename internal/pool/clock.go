package pool

import (
	"sync"
	"time"
)

// jumpAtLeast is by how much the pool's clock must run ahead of the one that
// timers go by to be a jump.
const jumpAtLeast = 2 * time.Second

// jumpWatch compares the pool's clock with the one that stands still while the
// machine sleeps.
type jumpWatch struct {
	now  time.Duration // pool's clock
	mono time.Time
}

// look is by how much the pool's clock has jumped since the last look.
func (w *jumpWatch) look(now time.Duration) time.Duration {
	mono := time.Now()
	defer func() { w.now, w.mono = now, mono }()
	if w.mono.IsZero() {
		return 0
	}
	return now - w.now - mono.Sub(w.mono)
}

// skipAtLeast is how far the wall clock must have gone ahead between two
// readings to count: it is set now and then, by much less.
const skipAtLeast = time.Minute

// lifeClock counts time since the machine started, asleep or not, and also
// the time for which a virtual machine was paused, which its wall clock alone
// makes up for.
type lifeClock struct {
	mu      sync.Mutex
	boot    time.Duration
	wall    time.Time // without a monotonic reading
	skipped time.Duration
}

// now reads the clock. It never goes back.
func (c *lifeClock) now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	boot, wall := sinceBoot(), time.Now().Round(0)
	if !c.wall.IsZero() {
		if ahead := wall.Sub(c.wall) - (boot - c.boot); ahead > skipAtLeast {
			c.skipped += ahead
		}
	}
	c.boot, c.wall = boot, wall
	return boot + c.skipped
}
