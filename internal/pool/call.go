package pool

import (
	"context"
	"errors"
	"sync"
	"time"

	"sallyport/internal/hop"
)

// call is one dial that several requests wait for. It asks its questions of
// the first waiter that can answer, and of the next one when that one leaves:
// a person who gives up does not spoil it for the others.
type call struct {
	cancel context.CancelFunc // ends the dial

	// state: guarded by mu
	mu        sync.Mutex
	waiters   []*waiter
	joined    chan struct{} // closed when another one has joined, anew after that
	abandoned bool          // the last waiter left: the dial is ending
	asked     bool          // somebody was asked something
}

type waiter struct {
	ctx context.Context
	ask hop.Asker
}

// join adds a waiter; the returned function removes it, and ends the dial
// when it was the last. It is nil for a dial that is already ending.
func (c *call) join(ctx context.Context, ask hop.Asker) (leave func()) {
	w := &waiter{ctx, ask}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.abandoned {
		return nil
	}
	c.waiters = append(c.waiters, w)
	if c.joined != nil {
		close(c.joined)
		c.joined = nil
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i, x := range c.waiters {
			if x == w {
				c.waiters = append(c.waiters[:i], c.waiters[i+1:]...)
				break
			}
		}
		if len(c.waiters) == 0 {
			c.abandoned = true
			c.cancel()
		}
	}
}

// gaveUp reports whether the dial ended since nobody waits for it any more.
func (c *call) gaveUp() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.abandoned
}

// wasAsked reports whether the dial needed a person.
func (c *call) wasAsked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

// next is the first waiter that is not in skip.
func (c *call) next(skip map[*waiter]bool) *waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = c.asked || skip != nil
	for _, w := range c.waiters {
		if !skip[w] && w.ctx.Err() == nil {
			return w
		}
	}
	return nil
}

// Ask is hop.Asker's.
func (c *call) Ask(ctx context.Context, q hop.Question) (string, error) {
	asked := map[*waiter]bool{}
	for {
		w := c.next(asked)
		if w == nil {
			return "", errors.Join(ctx.Err(), hop.ErrNobody)
		}
		asked[w] = true
		answer, err := askWaiter(ctx, w, q)
		if err == nil || (w.ctx.Err() == nil && !errors.Is(err, hop.ErrNobody)) {
			return answer, err
		}
	}
}

// askWaiter bounds a question by the waiter's presence.
func askWaiter(ctx context.Context, w *waiter, q hop.Question) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.ctx, cancel)()
	return w.ask.Ask(ctx, q)
}

// Tell is hop.Asker's: debugging text goes to everybody who waits (each shows
// what he asked to see), other notices to the first.
func (c *call) Tell(n hop.Notice) {
	c.mu.Lock()
	waiters := append([]*waiter(nil), c.waiters...)
	c.mu.Unlock()
	for i, w := range waiters {
		if i == 0 || n.Kind == hop.NoticeDebug {
			w.ask.Tell(n)
		}
	}
}

// Progress is hop.Pacer's.
func (c *call) Progress(patience time.Duration) {
	waiters, _ := c.present()
	for _, w := range waiters {
		if pacer, ok := w.ask.(hop.Pacer); ok {
			pacer.Progress(patience)
		}
	}
}

// Admit is hop.Pacer's: the dial goes on when one of those who wait for it lets
// it.
func (c *call) Admit(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	admitted := make(chan struct{}, 1)
	asked := map[*waiter]bool{}
	for {
		waiters, joined := c.present()
		for _, w := range waiters {
			pacer, ok := w.ask.(hop.Pacer)
			if !ok {
				return nil
			}
			if asked[w] {
				continue
			}
			asked[w] = true
			asking.Go(func() {
				if pacer.Admit(ctx) == nil {
					select {
					case admitted <- struct{}{}:
					default:
					}
				}
			})
		}
		select {
		case <-admitted:
			return nil
		case <-joined:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// present lists the waiters, and tells by closing the channel when there are
// more.
func (c *call) present() ([]*waiter, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.joined == nil {
		c.joined = make(chan struct{})
	}
	return append([]*waiter(nil), c.waiters...), c.joined
}

// Origin is hop.Asker's: the first waiter's.
func (c *call) Origin() hop.Origin {
	if w := c.next(nil); w != nil {
		return w.ask.Origin()
	}
	return hop.Origin{}
}
